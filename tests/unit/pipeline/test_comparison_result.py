"""Accuracies, differences and the advice of a comparison."""

import random
from collections.abc import Sequence

import pytest

from rilctl.algorithms.pooled import SeedSpread, seed_spread
from rilctl.config.arms import find_overlay, read_arm
from rilctl.config.shipped import recipes_dir
from rilctl.errors import ArtifactError
from rilctl.pipeline.comparison.advice import give_advice
from rilctl.pipeline.comparison.measured import Measured
from rilctl.pipeline.comparison.result import (
    Scores,
    common_questions,
    compared_arm,
    paired_differences,
    scores_by_arm,
)
from rilctl.schemas.comparison import ComparedArm


def of(scores: Sequence[float], seconds: float | None = 10.0, tokens: int = 100) -> Measured:
    return Measured({("digits", str(at), 0): score for at, score in enumerate(scores)}, tokens, seconds)


def drawn(*rates: float, num_questions: int = 300) -> list[list[float]]:
    """A row for each rate; questions are as hard for all."""
    chance = random.Random(7)
    hard = [chance.random() for _ in range(num_questions)]
    return [[float(each < rate) for each in hard] for rate in rates]


def arms_of(scores: Scores, seconds: dict[str, float]) -> list[ComparedArm]:
    base = read_arm([recipes_dir() / "quickstart.toml"], find_overlay("base"))
    found = []
    for name, rows in scores.items():
        measured = {seed: of(row, seconds[name]) for seed, row in enumerate(rows)}
        found.append(compared_arm(base, measured, rows, seed_spread(scores), None).model_copy(update={"name": name}))
    return found


def advice(scores: Scores, seconds: dict[str, float], *, makes_nothing: frozenset[str] = frozenset()) -> str:
    arms = arms_of(scores, seconds)
    return give_advice(
        arms,
        paired_differences(scores),
        seconds,
        questions=len(next(iter(scores.values()))[0]),
        num_seeds=max(map(len, scores.values())),
        makes_nothing=makes_nothing,
    )


def test_only_questions_that_every_student_has_a_score_for_count() -> None:
    measured = {("a", 0): of([1, 0, 1]), ("b", 0): of([1, 0]), ("b", 1): of([0, 0, 1, 1])}
    questions, left_out = common_questions(measured)
    assert (len(questions), left_out) == (2, 2)
    assert scores_by_arm(measured, questions) == {"a": [[1, 0]], "b": [[1, 0], [0, 0]]}
    with pytest.raises(ArtifactError, match="no held-out question"):
        common_questions({("a", 0): of([1]), ("b", 0): of([])})


def test_an_arm_is_the_mean_of_its_seeds() -> None:
    (arm,) = arms_of({"a": drawn(0.4, 0.6)}, {"a": 8.0})
    assert [seed.accuracy for seed in arm.seeds] == pytest.approx([sum(r) / 300 for r in drawn(0.4, 0.6)])
    assert arm.accuracy == pytest.approx(sum(seed.accuracy for seed in arm.seeds) / 2)
    assert arm.low < min(seed.accuracy for seed in arm.seeds) and arm.seconds == 8.0
    ril = read_arm([recipes_dir() / "quickstart.toml"], find_overlay("ril"))
    unknown = compared_arm(ril, {0: of([1, 0], None)}, [[1, 0]], SeedSpread(0.0, 0), None)
    assert unknown.seconds is None and unknown.seeds[0].seconds is None


def test_every_two_arms_are_compared_and_one_student_stands_beside_each_seed() -> None:
    low, *high = drawn(0.3, 0.8, 0.82)
    paired = paired_differences({"base": [low], "ril": high, "other": high})
    assert [(pair.a, pair.b) for pair in paired] == [("base", "ril"), ("base", "other"), ("ril", "other")]
    assert paired[0].difference == pytest.approx(sum(low) / 300 - sum(map(sum, high)) / 600)
    assert paired[0].high < 0 and paired[0].p < 0.001 and paired[2].difference == 0 and paired[2].p == 1


def test_the_best_is_advised_where_it_is_better_than_all() -> None:
    low, high = drawn(0.3, 0.8)
    said = advice({"base": [low], "ril": [high]}, {"base": 0.0, "ril": 100.0})
    assert said.startswith("use `ril`: ") and "better than every other arm" in said
    assert "one seed, which says nothing of others" in said


def test_the_cheapest_is_advised_of_those_that_cant_be_told_from_the_best() -> None:
    low, almost, best = drawn(0.3, 0.795, 0.8)
    said = advice({"base": [low], "sft": [almost], "ril": [best]}, {"base": 0.0, "sft": 9.0, "ril": 100.0})
    assert said.startswith("use `sft`: ") and "among the cheapest of 2 arms" in said and "`ril`" in said


def test_of_arms_that_cost_about_the_same_the_better_one_is_advised() -> None:
    low, almost, best = drawn(0.3, 0.795, 0.8)
    said = advice({"base": [low], "sft": [almost], "ril": [best]}, {"base": 0.0, "sft": 90.0, "ril": 100.0})
    assert said.startswith("use `ril`: ") and "the best, and among the cheapest of 2 arms" in said


def test_the_student_stays_where_nothing_is_better() -> None:
    a, b = drawn(0.5, 0.51)
    said = advice({"base": [a], "ril": [b]}, {"base": 0.0, "ril": 9.0}, makes_nothing=frozenset({"base"}))
    assert said.startswith("keep the student as it is (`base`)")


def test_seeds_that_disagree_tell_nothing_apart() -> None:
    base, poor, good = drawn(0.5, 0.2, 0.9)
    said = advice({"base": [base], "ril": [poor, good]}, {"base": 0.0, "ril": 9.0}, makes_nothing=frozenset({"base"}))
    assert said.startswith("keep the student") and "over 2 seeds" in said
