"""The responses that are learned by heart beside rewards: which there are, and those of a step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.batches import batches
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ConfigError, RowError
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.schemas.records import RejectedRecord, ResponseRecord, response_digest
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import read_responses
from rilctl.stages.shared.ranked import share_rejected
from rilctl.stages.train.inputs import TrainInputs


class TaughtRow(NamedTuple):
    """A question and the tokens of the response that is learned."""

    sample_id: str
    conversation: Conversation
    token_ids: tuple[int, ...]


class Taught(NamedTuple):
    """What is learned by heart in a step: this rank's part, and what it weighs."""

    rows: list[tuple[EncodedPrompt, tuple[int, ...]]]
    weight: float


class TaughtRows:
    """Hands out the rows of each step, in `sft`'s order: a pure function of their number, the seed and the step.

    Args:
        rows: all of them.
        config: the `[train]` table.
        prompts: the policy's.
        ranks: who share a step's rows.
    """

    def __init__(self, rows: Sequence[TaughtRow], config: TrainConfig, prompts: KeptPrompts, ranks: Ranks) -> None:
        self._rows, self._config, self._prompts, self._ranks = rows, config, prompts, ranks
        self._orders: Iterator[tuple[tuple[int, ...], tuple[int, ...]]] = iter(())
        self._next = 0

    def of_step(self, step: int) -> tuple[Taught | None, list[RejectedRecord]]:
        """This rank's rows of a step, None where they weigh nothing any more; and all ranks' bad ones. Collective."""
        config, taught = self._config, self._config.taught
        if taught is None or not (weight := taught.weight(step, config.num_steps)):
            return None, []
        if step != self._next:
            self._orders = pairwise(batches(len(self._rows), taught.rows_per_step, config.seed, step - 1))
        self._next = step + 1
        picks, upcoming = next(self._orders)
        rejected, found = list[RejectedRecord](), list[tuple[EncodedPrompt, tuple[int, ...]]]()
        with timed("pictures"), self._ranks.together():
            own = [self._rows[pick] for pick in self._ranks.share(picks)]
            for row in own:
                try:
                    found.append((self._prompts.get(row.conversation), row.token_ids))
                except RowError as error:
                    rejected.append(RejectedRecord.of(row.sample_id, "data", error))
            if taught.weight(step + 1, config.num_steps):
                self._prompts.expect(self._rows[pick].conversation for pick in self._ranks.share(upcoming))
        return Taught(found, weight), share_rejected(self._ranks, rejected)


def taught_rows(
    context: StageContext, config: TrainConfig, inputs: TrainInputs, vlm: Vlm, prepaid: Mapping[str, bool]
) -> list[TaughtRow]:
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
        return []
    responses = list(_responses(context, config, inputs, prepaid))
    budget = config.sampling.max_new_tokens
    rows = [
        TaughtRow(sample.id, sample.conversation, encode_response(vlm, text, stopped=stopped))
        for sample, text, stopped in responses
    ]
    kept = [row for row in rows if len(row.token_ids) <= budget]
    if not kept:
        raise ConfigError(
            f"train.sft: no response to learn, of {len(rows):,} of `{config.taught.responses}`",
            hint="`train.sft.responses` says whose; those over `train.sampling.max_new_tokens` aren't learned",
        )
    if len(kept) < len(rows):
        over = f"{len(rows) - len(kept):,} of the responses to learn"
        context.reporter.warn(f"left out: {over}, of over {budget:,} tokens (`train.sampling.max_new_tokens`)")
    context.reporter.say(f"train.sft: {len(kept):,} responses to learn by heart")
    return kept


def _responses(
    context: StageContext, config: TrainConfig, inputs: TrainInputs, prepaid: Mapping[str, bool]
) -> Iterable[tuple[Sample, str, bool]]:
    """Questions with a response each, and whether its author ended it; empty ones teach nothing."""
    if config.taught is None or config.taught.responses == "data":
        yield from ((sample, sample.response, True) for sample in inputs.samples if sample.response)
        return
    assert inputs.teacher_cache is not None
    found = read_responses(context, inputs.teacher_cache, inputs.samples)
    for sample in inputs.samples:
        for record in found.get(sample.id, ()):
            if record.text and _is_right(sample, record, prepaid):
                yield sample, record.text, record.finish_reason != "length"


def _is_right(sample: Sample, record: ResponseRecord, prepaid: Mapping[str, bool]) -> bool:
    context = sample.conversation.context
    return prepaid.get(response_digest(sample.question, sample.answer, record.text, context=context)) is True
