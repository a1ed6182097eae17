"""The responses that are learned by heart beside rewards: which there are, and those of a step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.batches import batches
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ConfigError, RowError
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_responses
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.schemas.records import RejectedRecord, response_digest
from rilctl.stages.shared.cached_responses import CachedResponses, open_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.ranked import share_rejected
from rilctl.stages.train.inputs import TrainInputs

T = TypeVar("T")
_AT_ONCE: Final = 256
"""Questions or rows whose texts are in memory together."""


class TaughtRow(NamedTuple):
    """A question whose response is learned."""

    sample: Sample
    number: int | None
    """The response's row among the teachers'; None: it is the data set's."""


@dataclass(frozen=True)
class TaughtResponses:
    """All responses that are learned by heart; a teacher's text is read when its step comes.

    Args:
        rows: of which questions they are.
        vlm: whose tokenizer they are read with.
        teachers: what the teachers said; None: nothing of it is learned.
    """

    rows: Sequence[TaughtRow] = ()
    vlm: Vlm | None = None
    teachers: CachedResponses | None = None

    def tokens(self, rows: Sequence[TaughtRow]) -> list[tuple[int, ...]]:
        """What of some of the rows is learned."""
        responses = [(row.sample.response or "", True) for row in rows]
        numbers = [(at, row.number) for at, row in enumerate(rows) if row.number is not None]
        if self.teachers is not None:
            texts = self.teachers.texts([number for _, number in numbers])
            for (at, number), text in zip(numbers, texts, strict=True):
                responses[at] = (text, bool(self.teachers.stopped_N[number]))
        return [] if self.vlm is None else encode_responses(self.vlm, responses)


class Taught(NamedTuple):
    """What is learned by heart in a step: this rank's part, and what it weighs."""

    rows: list[tuple[EncodedPrompt, tuple[int, ...]]]
    weight: float


class TaughtRows:
    """Hands out the rows of each step, in `sft`'s order: a pure function of their number, the seed and the step.

    Args:
        responses: all of them.
        config: the `[train]` table.
        prompts: the policy's.
        ranks: who share a step's rows.
    """

    def __init__(self, responses: TaughtResponses, config: TrainConfig, prompts: KeptPrompts, ranks: Ranks) -> None:
        self._responses, self._config, self._prompts, self._ranks = responses, config, prompts, ranks
        self._orders: Iterator[tuple[tuple[int, ...], tuple[int, ...]]] = iter(())
        self._next = 0

    def of_step(self, step: int) -> tuple[Taught | None, list[RejectedRecord]]:
        """This rank's rows of a step, None where they weigh nothing any more; and all ranks' bad ones. Collective."""
        config, taught = self._config, self._config.taught
        if taught is None or not (weight := taught.weight(step, config.num_steps)):
            return None, []
        if step != self._next:
            self._orders = pairwise(batches(len(self._responses.rows), taught.rows_per_step, config.seed, step - 1))
        self._next = step + 1
        picks, upcoming = next(self._orders)
        rejected, found = list[RejectedRecord](), list[tuple[EncodedPrompt, tuple[int, ...]]]()
        with timed("pictures"), self._ranks.together():
            rows = self._responses.rows
            own = [rows[pick] for pick in self._ranks.share(picks)]
            for (sample, _), token_ids in zip(own, self._responses.tokens(own), strict=True):
                try:
                    found.append((self._prompts.get(sample.conversation), token_ids))
                except RowError as error:
                    rejected.append(RejectedRecord.of(sample.id, "data", error))
            if taught.weight(step + 1, config.num_steps):
                self._prompts.expect(rows[pick].sample.conversation for pick in self._ranks.share(upcoming))
        return Taught(found, weight), share_rejected(self._ranks, rejected)


def taught_responses(
    context: StageContext, config: TrainConfig, inputs: TrainInputs, vlm: Vlm, prepaid: Mapping[str, bool]
) -> TaughtResponses:
    """The responses that are learned by heart; none where the algorithm learns none so.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        inputs: what the run is made from.
        vlm: whose tokenizer they are read with.
        prepaid: verdicts on teachers' responses, by response digest.

    Raises:
        ConfigError: none is left.
    """
    if config.taught is None:
        return TaughtResponses()
    teachers = None
    if config.taught.responses == "data":  # empty ones teach nothing
        rows = [TaughtRow(sample, None) for sample in inputs.samples if sample.response]
    else:
        assert inputs.teacher_cache is not None
        teachers = open_responses(context, inputs.teacher_cache, inputs.samples)
        rows = list(_right(inputs.samples, teachers, prepaid))
    budget = config.sampling.max_new_tokens
    found = TaughtResponses(rows, vlm, teachers)
    kept = [row for part in _parts(rows) for row in _fitting(found, part, budget)]
    if not kept:
        raise ConfigError(
            f"train.sft: no response to learn, of {len(rows):,} of `{config.taught.responses}`",
            hint="`train.sft.responses` says whose; those over `train.sampling.max_new_tokens` aren't learned",
        )
    if len(kept) < len(rows):
        over = f"{len(rows) - len(kept):,} of the responses to learn"
        context.reporter.warn(f"left out: {over}, of over {budget:,} tokens (`train.sampling.max_new_tokens`)")
    context.reporter.say(f"train.sft: {len(kept):,} responses to learn by heart")
    return replace(found, rows=kept)


def _right(samples: Sequence[Sample], teachers: CachedResponses, prepaid: Mapping[str, bool]) -> Iterator[TaughtRow]:
    """What the teachers said that is right, and isn't empty."""
    for part in _parts(samples):
        rows = [TaughtRow(sample, int(number)) for sample in part for number in teachers.numbers(sample.id)]
        texts = teachers.texts([row.number for row in rows if row.number is not None])
        for row, text in zip(rows, texts, strict=True):
            if text and _is_right(row.sample, text, prepaid):
                yield row


def _fitting(responses: TaughtResponses, rows: Sequence[TaughtRow], budget: int) -> Iterator[TaughtRow]:
    """Those of some rows that are no longer than the budget; only what may be is tokenised."""
    most_N = None if responses.teachers is None else responses.teachers.most_tokens_N
    doubted = [at for at, (_, number) in enumerate(rows) if number is None or most_N is None or most_N[number] > budget]
    tokens = responses.tokens([rows[at] for at in doubted])
    too_long = {at for at, token_ids in zip(doubted, tokens, strict=True) if len(token_ids) > budget}
    yield from (row for at, row in enumerate(rows) if at not in too_long)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """A few at a time."""
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _is_right(sample: Sample, text: str, prepaid: Mapping[str, bool]) -> bool:
    context = sample.conversation.context
    return prepaid.get(response_digest(sample.question, sample.answer, text, context=context)) is True
