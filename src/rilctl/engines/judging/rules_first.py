"""Rules before the LLM judge: what equals the ground truth to the letter needs no model."""

from collections.abc import Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict
from rilctl.engines.judging.rule import is_equal_to_the_letter


class RulesFirst:
    """A `JudgeEngine` that asks another one only where the response isn't the ground truth, character by character.

    Nothing is called wrong here: other words are the model's business.

    Args:
        judge: asked for the rest.
    """

    def __init__(self, judge: JudgeEngine) -> None:
        self._judge = judge
        self._num_exact = self._num_judged = 0

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        return f"equal to the letter, else {self._judge.name}"

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`."""
        return self._judge.rows_at_once

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        verdicts = [_by_letter(request) for request in requests]
        rest = [i for i, verdict in enumerate(verdicts) if verdict is None]
        found = iter(self._judge.verdicts([requests[i] for i in rest]))
        self._num_judged += len(requests)
        self._num_exact += len(requests) - len(rest)
        return [next(found) if verdict is None else verdict for verdict in verdicts]

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        return self._judge.calls([request for request in requests if _by_letter(request) is None])

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`: of the responses, how many needed no model."""
        return self._judge.counts() | {"num_exact": float(self._num_exact), "num_by_rules": float(self._num_judged)}

    def close(self) -> None:
        """See `JudgeEngine`."""
        self._judge.close()


def _by_letter(request: JudgeRequest) -> Verdict | None:
    is_equal = is_equal_to_the_letter(request.answer, request.response)
    return Verdict(True, request.response.strip(), "exact") if is_equal else None
