"""What the teachers said of a step's questions. Shapes: N rows of the artifact."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rilctl.data.seeds import row_seed
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.vocabulary import end_id
from rilctl.models.prompts.encode import encode_responses
from rilctl.schemas.records import FinishReason
from rilctl.stages.shared.cached_responses import CachedResponse, CachedResponses

_UNKNOWN, _FITS, _TOO_LONG, _EMPTY = -1, 1, 2, 3
_MOST_COUNTED = 4096
"""Responses that are tokenised to say how many are too long; of more, so many speak for all."""


class Picked(NamedTuple):
    """A response that a step learns from."""

    source: str
    finish_reason: FinishReason
    text: str
    token_ids: tuple[int, ...]
    """With the student's tokenizer."""


class TeacherRows:
    """Cached teacher responses, teachers taking turns.

    A text is read and tokenised when it is picked, or when nothing less says whether it may be.

    Args:
        vlm: whose tokenizer the texts are read with.
        responses: what there is.
        max_tokens: longer responses than the policy's token budget are left out.
        seed: of the choice among N cached responses.
    """

    def __init__(self, vlm: Vlm, responses: CachedResponses, *, max_tokens: int, seed: int) -> None:
        self._vlm, self._responses, self._max_tokens = vlm, responses, max_tokens
        self._seed = seed
        surely = (
            (responses.most_tokens_N <= max_tokens)
            & responses.stopped_N
            & (end_id(vlm.tokenizer, vlm.family) is not None)
        )
        self._fit_N = np.where(surely, _FITS, _UNKNOWN).astype(np.int8)

    def answered(self, sample_ids: Sequence[str]) -> set[str]:
        """Those of the questions that have a response which fits: the shortest are looked at first."""
        found = {name for name in sample_ids if (self._fit_N[self._responses.numbers(name)] == _FITS).any()}
        waiting = {name: self._unknown(name) for name in sample_ids if name not in found}
        while waiting := {name: numbers for name, numbers in waiting.items() if numbers}:
            self._settle([numbers.pop() for numbers in waiting.values()])
            fitting = {name for name in waiting if (self._fit_N[self._responses.numbers(name)] == _FITS).any()}
            found |= fitting
            waiting = {name: numbers for name, numbers in waiting.items() if name not in fitting}
        return found

    def num_too_long(self, sample_ids: Sequence[str]) -> tuple[int, bool]:
        """How many responses to the questions are over the budget; False: by a sample of them."""
        parts = [self._responses.numbers(name) for name in sample_ids]
        numbers = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        unknown = numbers[self._fit_N[numbers] == _UNKNOWN]
        step = -(-len(unknown) // _MOST_COUNTED) or 1
        looked_at = unknown[::step]
        known = int((self._fit_N[numbers] == _TOO_LONG).sum())
        self._settle(looked_at.tolist())
        share = float((self._fit_N[looked_at] == _TOO_LONG).mean()) if len(looked_at) else 0.0
        return known + round(share * len(unknown)), step == 1

    def pick(self, sample_id: str, num: int, *, step: int) -> list[Picked]:
        """`num` responses to a question: round robin over teachers, from a place that depends on seed and step."""
        by_teacher = self._by_teacher(sample_id)
        start = row_seed(self._seed, "teacher", sample_id, step)
        teachers = sorted(by_teacher)
        picked = []
        for turn in range(num if teachers else 0):
            rows = by_teacher[teachers[(start + turn) % len(teachers)]]
            picked.append(rows[(start // 97 + turn // len(teachers)) % len(rows)])
        texts = self._responses.texts([row.number for row in picked])
        stopped = [row.finish_reason != "length" for row in picked]
        tokens = encode_responses(self._vlm, list(zip(texts, stopped, strict=True)))
        assert all(len(token_ids) <= self._max_tokens for token_ids in tokens), "a token stands for a byte at least"
        return [
            Picked(row.source, row.finish_reason, text, token_ids)
            for row, text, token_ids in zip(picked, texts, tokens, strict=True)
        ]

    def _by_teacher(self, sample_id: str) -> dict[str, list[CachedResponse]]:
        """A question's responses that fit, in the artifact's order."""
        self._settle(self._unknown(sample_id))
        found: dict[str, list[CachedResponse]] = {}
        for response in self._responses.of(sample_id):
            if self._fit_N[response.number] == _FITS:
                found.setdefault(response.source, []).append(response)
        return found

    def _unknown(self, sample_id: str) -> list[int]:
        """Rows of a question of which it isn't known whether they fit, the longest first."""
        numbers = self._responses.numbers(sample_id)
        unknown = numbers[self._fit_N[numbers] == _UNKNOWN]
        longest_first = np.argsort(-self._responses.most_tokens_N[unknown], kind="stable")
        return [int(number) for number in unknown[longest_first]]

    def _settle(self, numbers: Sequence[int]) -> None:
        """Find out whether rows fit."""
        texts = self._responses.texts(numbers)
        stopped = self._responses.stopped_N[numbers].tolist() if len(numbers) else []
        tokens = encode_responses(self._vlm, list(zip(texts, stopped, strict=True)))
        for number, token_ids in zip(numbers, tokens, strict=True):
            is_over = len(token_ids) > self._max_tokens
            self._fit_N[number] = _TOO_LONG if is_over else _FITS if token_ids else _EMPTY
