"""Wald's test: its two errors are what it promises, by simulation, whatever is looked at how often."""

import math
import random
from fractions import Fraction

import pytest

from rilctl.algorithms.sequential import SequentialTest, rate_test


def outcome(test: SequentialTest, rate: float, dice: random.Random, group: int) -> tuple[bool, int]:
    """What it says of cases with this rate of errors, looked at in groups, and after how many."""
    num = num_errors = 0
    while (found := test.is_too_high(num_errors, num)) is None:
        num += group
        num_errors += sum(dice.random() < rate for _ in range(group))
    return found, num


@pytest.mark.parametrize("group", [1, 16])
@pytest.mark.parametrize("limit", [0.02, 0.05, 0.25, 0.4])
def test_half_of_the_limit_passes_and_twice_of_it_is_caught(limit: float, group: int) -> None:
    """Of 500 each: 1 % would be 5; 14 are 4 standard deviations more."""
    test, dice = rate_test(limit, alpha=0.01, beta=0.01), random.Random(group)
    assert test is not None
    assert sum(outcome(test, limit / 2, dice, group)[0] for _ in range(500)) <= 14
    assert sum(not outcome(test, min(1.0, 2 * limit), dice, group)[0] for _ in range(500)) <= 14


def test_the_evidence_is_the_likelihood_ratio() -> None:
    test = SequentialTest(tolerated=0.25, caught=0.5, alpha=0.01, beta=0.01)
    ratio = Fraction(1, 2) ** 3 * Fraction(1, 2) ** 5 / (Fraction(1, 4) ** 3 * Fraction(3, 4) ** 5)
    assert test.evidence(3, 8) == pytest.approx(math.log(ratio), rel=1e-12)
    assert test.evidence(0, 0) == 0


def test_num_more_is_the_fewest_that_settle_it() -> None:
    test = rate_test(0.05, alpha=0.0025, beta=0.01)
    assert test is not None
    for num_errors in range(3):
        more = test.num_more(num_errors, 10)
        assert test.is_too_high(num_errors, 10 + more) is False
        assert test.is_too_high(num_errors, 10 + more - 1) is None
    assert test.num_more(10, 10) == test.num_more(0, 1000) == 0


def test_limits_at_the_ends() -> None:
    assert rate_test(1.0, 0.01, 0.01) is None
    strict = rate_test(0.0, 0.01, 0.01)
    assert strict is not None and strict.is_too_high(1, 1000) and strict.is_too_high(0, 228) is False
    assert strict.num_more(0, 0) == 228  # to have seen one of a rate of 2 %
    for limit in (0.001, 0.3, 0.34, 0.5, 0.9, 0.999):
        test = rate_test(limit, 0.01, 0.01)
        assert test is not None and test.tolerated == limit / 2 < limit < test.caught < 1
