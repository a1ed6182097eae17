"""How likely a student finds the ground truths: what `data.select.likelihood` chooses rows by. Shapes: N rows."""

from collections.abc import Mapping, Sequence

import torch
from pydantic import JsonValue

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache, call_key
from rilctl.config.fields import ModelConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.data.sample import Sample
from rilctl.errors import RowError, UsageError
from rilctl.models.loaded.devices import pick_device
from rilctl.models.loaded.identity import identify
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.source import find_source
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_prompt, encode_response
from rilctl.models.prompts.lengths import check_room
from rilctl.stages.shared.context import StageContext

_CALL = "likelihood-1"
"""Part of every key; raised when what is stored changes its form or meaning."""
_CHUNK = 256
"""Answers that are read, scored and stored together."""
_DIGITS = 6


class AnswerLikelihoods:
    """The mean log-probability of each answer's tokens, its end included, in nats; what was scored once is kept.

    Args:
        context: its workspace has the call cache.
        student: who is asked.
        tokens_per_batch: that go through it at once, padding included.
    """

    def __init__(self, context: StageContext, student: ModelConfig, tokens_per_batch: int) -> None:
        self._context, self._student, self._tokens_per_batch = context, student, tokens_per_batch

    def __call__(self, samples: Sequence[Sample]) -> list[float | RowError | None]:
        """See `Likelihoods`. Raises `UsageError` where several ranks would have to score the same."""
        context, student = self._context, self._student
        found: dict[str, float | RowError | None] = {sample.id: None for sample in samples}
        digest = identify(student, find_source(student, base_dir=context.base_dir)).digest
        keys = dict[str, str]()
        for sample in samples:
            if sample.has_truth:
                try:
                    keys[sample.id] = _key(digest, sample)
                except RowError as error:
                    found[sample.id] = error
        with CallCache(context.root, Asker("student", student.model, context.out)) as cache:
            known = cache.get_many([*keys.values()])
            missing = [sample for sample in samples if keys.get(sample.id, "") not in {"", *known}]
            if missing:
                self._refuse_ranks(len(missing))
                known |= self._scored(missing, keys, cache, found)
        for sample_id, key in keys.items():
            if key in known:
                found[sample_id] = _mean(known[key])
        return [found[sample.id] for sample in samples]

    def _refuse_ranks(self, num_missing: int) -> None:
        if self._context.world.size > 1:
            raise UsageError(
                f"`data.select.likelihood`: {num_missing:,} answers aren't scored, and each of "
                f"{self._context.world.size} processes would score all of them",
                hint="score them in one process before: `rilctl data check RECIPE`, with `--for` this verb",
            )

    def _scored(
        self,
        missing: Sequence[Sample],
        keys: Mapping[str, str],
        cache: CallCache,
        found: dict[str, float | RowError | None],
    ) -> dict[str, JsonValue]:
        """What the student says of them, stored chunk by chunk; why one can't be read goes to `found`."""
        reporter, new = self._context.reporter, dict[str, JsonValue]()
        vlm = load_vlm(self._student, base_dir=self._context.base_dir, device=pick_device("auto"))
        reporter.begin("select", total=len(missing), unit="answers")
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            scores = score_answers(vlm, chunk, self._tokens_per_batch)
            answers: dict[str, JsonValue] = {}
            for sample, score in zip(chunk, scores, strict=True):
                if isinstance(score, RowError):
                    found[sample.id] = score
                else:
                    answers[keys[sample.id]] = {"mean_logprob": round(score, _DIGITS)}
            cache.put_many(answers)
            new |= answers
            reporter.advance(len(chunk))
            self._context.check_stop()
        reporter.end()
        del vlm
        torch.cuda.empty_cache()  # for an engine in another process
        return new


@torch.no_grad()
def score_answers(vlm: Vlm, samples: Sequence[Sample], tokens_per_batch: int) -> list[float | RowError]:
    """The mean log-probability of each answer's tokens, its end included, or why it can't be read."""
    scores: dict[int, float | RowError] = {}
    rows: dict[int, tuple[EncodedPrompt, tuple[int, ...]]] = {}
    for place, sample in enumerate(samples):
        try:
            prompt = encode_prompt(vlm, sample.conversation)
            answer = encode_response(vlm, sample.answer, stopped=True)
            check_room(vlm, len(prompt.token_ids_P), len(answer))
        except RowError as error:
            scores[place] = error
        else:
            rows[place] = prompt, answer
    places = [*rows]
    sizes = [GroupSize(len(prompt.token_ids_P), 1, len(answer)) for prompt, answer in rows.values()]
    for batch in micro_batches(sizes, tokens_per_batch):
        some = [rows[places[index]] for index in batch]
        ids_NR, mask_NR = collate_responses(vlm, [answer for _, answer in some])
        own_N = torch.arange(len(some), device=vlm.device)
        logprobs_NR, _ = response_logprobs(vlm, [prompt for prompt, _ in some], own_N, ids_NR, mask_NR)
        means = (logprobs_NR.double().sum(dim=1) / mask_NR.sum(dim=1)).tolist()
        scores |= {places[index]: mean for index, mean in zip(batch, means, strict=True)}
    return [scores[place] for place in range(len(samples))]


def _mean(stored: JsonValue) -> float:
    assert isinstance(stored, dict)
    return float(str(stored["mean_logprob"]))


def _key(digest: str, sample: Sample) -> str:
    """What is asked and what the answer is, by content. Raises `RowError` where a picture can't be read."""
    call: dict[str, JsonValue] = {
        "call": _CALL,
        "model": digest,
        "question": sample.question,
        "answer": sample.answer,
        "images": [*sample.conversation.image_digests],
    }
    if context := sample.conversation.context:
        call["context"] = [[turn.role, turn.text] for turn in context]
    return call_key(call)
