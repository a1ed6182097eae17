"""Rules before the LLM judge: what equals the ground truth to the letter needs no model."""

from collections.abc import Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge


class RulesFirst:
    """A `JudgeEngine` that asks another one only where the rules don't say `exact`.

    The rules never call a response wrong here: they are strict, and other words are the model's business.

    Args:
        judge: asked for the rest.
    """

    def __init__(self, judge: JudgeEngine) -> None:
        self._judge, self._rules = judge, RuleJudge(RuleJudgeConfig())
        self._num_exact = self._num_judged = 0

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        return f"{self._rules.name} where exact, else {self._judge.name}"

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`."""
        return self._judge.rows_at_once

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        verdicts = self._rules.verdicts(requests)
        rest = [i for i, verdict in enumerate(verdicts) if not _is_exact(verdict)]
        for index, verdict in zip(rest, self._judge.verdicts([requests[i] for i in rest]), strict=True):
            verdicts[index] = verdict
        self._num_judged += len(requests)
        self._num_exact += len(requests) - len(rest)
        return verdicts

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        verdicts = self._rules.verdicts(requests)
        return self._judge.calls([request for request, v in zip(requests, verdicts, strict=True) if not _is_exact(v)])

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`: of the responses, how many needed no model."""
        return self._judge.counts() | {"num_exact": float(self._num_exact), "num_by_rules": float(self._num_judged)}

    def close(self) -> None:
        """See `JudgeEngine`."""
        self._judge.close()


def _is_exact(verdict: Verdict) -> bool:
    return bool(verdict.correct) and verdict.reason == "exact"
