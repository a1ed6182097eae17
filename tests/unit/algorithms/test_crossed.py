"""Differences over seeds and questions."""

import math
import random
from statistics import fmean

import pytest

from rilctl.algorithms.comparisons import holm
from rilctl.algorithms.crossed import crossed_difference, crossed_mean
from rilctl.algorithms.statistics import paired_difference


def draw(chance: random.Random, num: int, rate: float) -> list[float]:
    return [float(chance.random() < rate) for _ in range(num)]


def test_one_seed_is_the_paired_difference() -> None:
    chance = random.Random(1)
    a, b = draw(chance, 60, 0.7), draw(chance, 60, 0.5)
    ours, theirs = crossed_difference([a], [b]), paired_difference([x == 1 for x in a], [x == 1 for x in b])
    assert ours.interval == pytest.approx(theirs)
    assert (ours.p < 0.05) == (theirs.low > 0)


def test_a_hand_computed_case() -> None:
    """Two seeds, two questions: d = [[1, 0], [0, 0]], so that every part of the variance can be written down."""
    found = crossed_difference([[1, 0], [0, 0]], [[0, 0], [0, 0]])
    centre = 0.5 / 4
    questions = ((0.25 + 1) / 4 - centre**2) / 4
    seeds = 0.125 / 2  # of the seeds' means 0.5 and 0
    both = 4 * 0.25**2 / (1 * 1) / 4
    total = questions + seeds - both
    freedom = total**2 / (questions**2 + seeds**2 + both**2)
    assert freedom < 2  # so one is taken
    half = math.tan(0.95 * math.pi / 2) * math.sqrt(total)  # the quantile of one degree of freedom
    assert found.interval == pytest.approx((0.25, -1.0, min(1.0, centre + half)))
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(centre / math.sqrt(total)))


def test_seeds_that_disagree_widen_it() -> None:
    b = [[0.0] * 100] * 3
    agree = crossed_difference([[1.0] * 50 + [0.0] * 50] * 3, b)
    disagree = crossed_difference([[1.0] * 90 + [0.0] * 10, [1.0] * 50 + [0.0] * 50, [1.0] * 10 + [0.0] * 90], b)
    assert agree.interval.estimate == disagree.interval.estimate == 0.5
    assert agree.p < 1e-6 and disagree.p > 0.05
    assert disagree.interval.low < 0 < agree.interval.low


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_of_two_equal_methods_one_in_twenty_differs(num_seeds: int) -> None:
    """Seeds shift a method's rate by some points, questions are easy or hard: no method is better than the other."""
    chance = random.Random(num_seeds)
    found = []
    for _ in range(400):
        hard = [chance.gauss(0, 0.2) for _ in range(60)]
        sides = [
            [[float(chance.random() < 0.5 + shift + each) for each in hard] for shift in shifts]
            for shifts in ([chance.gauss(0, 0.06) for _ in range(num_seeds)] for _ in range(2))
        ]
        found.append(crossed_difference(*sides).p < 0.05)
    assert fmean(found) < 0.08  # a test of questions alone finds one in 13 seeds of 60 questions twice as often


def test_a_mean_of_seeds_and_questions() -> None:
    everything_right = crossed_mean([[1.0] * 50] * 3)
    assert everything_right.estimate == everything_right.high == 1 and 0.85 < everything_right.low < 0.99
    one, three = crossed_mean([[1.0, 0.0] * 50]), crossed_mean([[1.0, 0.0] * 50] * 3)
    assert one == pytest.approx(three, abs=0.005)  # the same answers three times tell nothing new of the questions


def test_holm_is_as_strict_as_needed() -> None:
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    adjusted = holm(dict(zip(pairs, (0.04, 0.01, 0.03), strict=True)))
    assert list(adjusted) == pairs
    assert list(adjusted.values()) == pytest.approx([0.06, 0.03, 0.06])


@pytest.mark.parametrize("a, b", [([], []), ([[]], [[]]), ([[1.0]], [[1.0], [1.0]]), ([[1.0]], [[1.0, 0.0]])])
def test_other_shapes_are_refused(a: list[list[float]], b: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="same questions"):
        crossed_difference(a, b)
