import pytest

from rilctl.config.judge import FlipConfig, RuleJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.open import judge_by_rules, judge_identity

NUM = 2000
RIGHT = [JudgeRequest(f"how many, {n}?", "7", "answer 7") for n in range(NUM)]
WRONG = [JudgeRequest(f"how many, {n}?", "7", "answer 8") for n in range(NUM)]


def share_called_right(config: RuleJudgeConfig, requests: list[JudgeRequest]) -> float:
    return sum(bool(verdict.correct) for verdict in judge_by_rules(config).verdicts(requests)) / len(requests)


def test_it_errs_as_often_as_it_is_told_to() -> None:
    config = RuleJudgeConfig(flip=FlipConfig(right=0.3, wrong=0.1))
    spread = 3 * (0.3 * 0.7 / NUM) ** 0.5  # three standard deviations
    assert share_called_right(config, RIGHT) == pytest.approx(0.7, abs=spread)
    assert share_called_right(config, WRONG) == pytest.approx(0.1, abs=spread)
    assert share_called_right(RuleJudgeConfig(flip=FlipConfig(right=1.0)), RIGHT) == 0
    assert share_called_right(RuleJudgeConfig(flip=FlipConfig()), RIGHT) == 1


def test_a_response_has_one_verdict_wherever_it_is_judged() -> None:
    config = RuleJudgeConfig(flip=FlipConfig(right=0.5, wrong=0.5))
    both = judge_by_rules(config).verdicts([*RIGHT, *WRONG])
    assert judge_by_rules(config).verdicts([*WRONG, *RIGHT]) == [*both[NUM:], *both[:NUM]]
    other = RuleJudgeConfig(flip=FlipConfig(right=0.5, wrong=0.5, seed=1))
    assert judge_by_rules(other).verdicts(RIGHT) != both[:NUM]
    assert {verdict.reason.endswith(", flipped") for verdict in both} == {True, False}
    assert judge_identity(config) != judge_identity(other) != judge_identity(RuleJudgeConfig())


def test_where_there_is_no_truth_there_is_no_error_either() -> None:
    config = RuleJudgeConfig(flip=FlipConfig(right=1.0, wrong=1.0))
    (verdict,) = judge_by_rules(config).verdicts([JudgeRequest("how many?", "", "answer 7")])
    assert verdict.correct is None
