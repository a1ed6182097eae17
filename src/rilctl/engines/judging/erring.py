"""A judge that errs by a known rate: experiments ask how much of that a method bears."""

from collections.abc import Sequence
from dataclasses import replace

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import FlipConfig
from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict
from rilctl.schemas.records import response_digest


class ErringJudge:
    """A `JudgeEngine` that turns some of another one's verdicts round.

    Which ones depends on what a verdict is found by, so that a response has one verdict wherever it is judged.

    Args:
        judge: says what is right.
        flip: how often the contrary is said.
    """

    def __init__(self, judge: JudgeEngine, flip: FlipConfig) -> None:
        self._judge, self._flip = judge, flip
        self.rows_at_once = judge.rows_at_once

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        flip = self._flip
        return f"{self._judge.name}, flipped(right={flip.right:g}, wrong={flip.wrong:g}, seed={flip.seed})"

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        return [self._said(r, found) for r, found in zip(requests, self._judge.verdicts(requests), strict=True)]

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        return self._judge.calls(requests)

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`."""
        return self._judge.counts()

    def close(self) -> None:
        """See `JudgeEngine`."""
        self._judge.close()

    def _said(self, request: JudgeRequest, verdict: Verdict) -> Verdict:
        if verdict.correct is None:
            return verdict
        digest = response_digest(request.question, request.answer, request.response, request.context)
        share = self._flip.right if verdict.correct else self._flip.wrong
        if row_seed(self._flip.seed, digest) >= share * 2**63:
            return verdict
        return replace(verdict, correct=not verdict.correct, reason=f"{verdict.reason}, flipped")
