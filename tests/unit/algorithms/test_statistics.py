import math

import pytest

from rilctl.algorithms.statistics import mean_interval, paired_difference, wilson_interval

from . import reference

Z95 = 1.959963984540054


@pytest.mark.parametrize(
    ("num_correct", "num_questions", "low", "high"),
    # z^2 / (n + z^2) at the ends, and Newcombe (1998), table I: 81/263, 15/148
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_against_published_values(num_correct, num_questions, low, high):
    interval = wilson_interval(num_correct, num_questions)
    assert interval.estimate == num_correct / num_questions
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=6e-5)  # published to four digits


@pytest.mark.parametrize(("num_correct", "num_questions"), [(1, 7), (3, 7), (500, 1000), (999, 1000)])
def test_wilson_equals_the_reference(num_correct, num_questions):
    interval = wilson_interval(num_correct, num_questions)
    for bound, upper in ((interval.low, False), (interval.high, True)):
        assert bound == pytest.approx(reference.wilson_bound(num_correct, num_questions, Z95, upper), abs=1e-12)
    narrow = wilson_interval(num_correct, num_questions, confidence=0.5)
    assert interval.low < narrow.low < narrow.estimate < narrow.high < interval.high


@pytest.mark.parametrize(("num_correct", "num_questions"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(num_correct, num_questions):
    with pytest.raises(ValueError, match="impossible counts"):
        wilson_interval(num_correct, num_questions)


def test_paired_difference_by_hand():
    correct_a = [True] * 5 + [True] * 2 + [False] * 3
    correct_b = [True] * 5 + [False] * 2 + [True] + [False] * 2
    interval = paired_difference(correct_a, correct_b)
    # cells 5, 2, 1, 2 and 1/2 on each: discordant 2.5 and 1.5 of 12
    half = Z95 * math.sqrt((4 / 12 - (1 / 12) ** 2) / 12)
    assert interval == pytest.approx((0.1, 1 / 12 - half, 1 / 12 + half), rel=1e-12)


def test_paired_difference_stays_honest_at_the_ends():
    same = paired_difference([True, False] * 50, [True, False] * 50)
    assert same.estimate == 0.0
    assert same.low == -same.high < 0
    assert paired_difference([True] * 3, [False] * 3).high == 1.0
    assert paired_difference([False] * 3, [True] * 3).low == -1.0


def test_pairing_narrows_the_interval():
    correct_a = [i % 2 == 0 for i in range(200)]
    flipped = [not right if i < 6 else right for i, right in enumerate(correct_a)]
    shifted = [i % 2 == 1 for i in range(200)]
    narrow, wide = paired_difference(correct_a, flipped), paired_difference(correct_a, shifted)
    assert narrow.estimate == wide.estimate == 0.0
    assert narrow.high < wide.high / 4


@pytest.mark.parametrize(("correct_a", "correct_b"), [([], []), ([True], [True, False])])
def test_paired_difference_needs_the_same_questions(correct_a, correct_b):
    with pytest.raises(ValueError, match="same questions"):
        paired_difference(correct_a, correct_b)


@pytest.mark.parametrize(
    ("num_values", "confidence", "quantile"),
    # Student's t, tables to nine digits
    [
        (2, 0.95, 12.706204736),
        (3, 0.95, 4.302652730),
        (4, 0.95, 3.182446305),
        (5, 0.99, 4.604094871),
        (10, 0.95, 2.262157163),
        (101, 0.95, 1.983971519),
        (102, 0.95, 1.983731002),
        (1001, 0.99, 2.580754698),
    ],
)
def test_mean_interval_uses_students_t(num_values, confidence, quantile):
    values = [float(i) for i in range(num_values)]
    interval = mean_interval(values, confidence)
    mean = (num_values - 1) / 2
    half = quantile * math.sqrt(num_values * (num_values + 1) / 12 / num_values)
    assert interval == pytest.approx((mean, mean - half, mean + half), rel=1e-8)


def test_mean_interval_needs_two_values():
    for values in ([], [1.0]):
        with pytest.raises(ValueError, match="at least two"):
            mean_interval(values)
