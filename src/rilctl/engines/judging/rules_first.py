"""Rules before the LLM judge: what equals the ground truth to the letter needs no model."""

from collections.abc import Sequence

from rilctl.config.judge import RuleJudgeConfig
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

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        verdicts = self._rules.judge(requests)
        rest = [i for i, verdict in enumerate(verdicts) if not (verdict.correct and verdict.reason == "exact")]
        for index, verdict in zip(rest, self._judge.judge([requests[i] for i in rest]), strict=True):
            verdicts[index] = verdict
        self._num_judged += len(requests)
        self._num_exact += len(requests) - len(rest)
        return verdicts

    def metrics(self) -> dict[str, float]:
        """See `JudgeEngine`: the share of responses that needed no model."""
        share = {"rules_first_share": self._num_exact / self._num_judged} if self._num_judged else {}
        return {**self._judge.metrics(), **share}

    def close(self) -> None:
        """See `JudgeEngine`."""
        self._judge.close()
