"""Intervals for reported numbers, in plain floats; no tensor comes in here.

Every interval is two-sided at `confidence` (0.95: 95 %).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple


class Interval(NamedTuple):
    """An estimate between its bounds."""

    estimate: float
    low: float
    high: float


def wilson_interval(num_correct: int, num_questions: int, confidence: float = 0.95) -> Interval:
    """Accuracy with Wilson's score interval (1927): never outside [0, 1], and not empty at 0 or 1.

    Args:
        num_correct: 0 <= num_correct <= num_questions.
        num_questions: > 0, independent of each other.
        confidence: in (0, 1).

    Raises:
        ValueError: the counts are impossible, or there is no question.
    """
    if not 0 <= num_correct <= num_questions or num_questions == 0:
        raise ValueError(f"impossible counts: {num_correct} correct of {num_questions}")
    z, share = _normal_quantile(confidence), num_correct / num_questions
    shrink = 1 + z * z / num_questions
    centre = (share + z * z / (2 * num_questions)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / num_questions + (z / (2 * num_questions)) ** 2)
    low = 0.0 if num_correct == 0 else centre - half
    return Interval(share, low, 1.0 if num_correct == num_questions else centre + half)


def paired_difference(correct_a: Sequence[bool], correct_b: Sequence[bool], confidence: float = 0.95) -> Interval:
    """Accuracy of a minus accuracy of b on the same questions, with a paired interval.

    Only discordant questions carry information. The bounds are those of Agresti and Min (2005): Wald's paired interval
    after adding 1/2 to each cell of the 2 x 2 table, so that it is not empty where no question is discordant. They are
    centred a little closer to 0 than the estimate.

    Args:
        correct_a: by question.
        correct_b: by question, in the same order.
        confidence: in (0, 1).

    Raises:
        ValueError: the lengths differ, or there is no question.
    """
    if len(correct_a) != len(correct_b) or not correct_a:
        raise ValueError(f"need the same questions, at least one: got {len(correct_a)} and {len(correct_b)}")
    only_a = sum(bool(a) and not b for a, b in zip(correct_a, correct_b, strict=True))
    only_b = sum(bool(b) and not a for a, b in zip(correct_a, correct_b, strict=True))
    total = len(correct_a) + 2
    centre = (only_a - only_b) / total
    half = _normal_quantile(confidence) * math.sqrt(((only_a + only_b + 1) / total - centre**2) / total)
    return Interval((only_a - only_b) / len(correct_a), max(-1.0, centre - half), min(1.0, centre + half))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean with Student's t interval, `mean +- t_(n-1) s / sqrt(n)`: right for a handful of seeds as well.

    Args:
        values: independent, at least two.
        confidence: in (0, 1).

    Raises:
        ValueError: fewer than two values: nothing is known about their spread.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}")
    half = student_quantile(confidence, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values), fmean(values) - half, fmean(values) + half)


def _normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def student_quantile(confidence: float, freedom: int) -> float:
    """Two-sided quantile: Fisher's expansion for many degrees of freedom, bisection of the exact CDF for few."""
    z = _normal_quantile(confidence)
    if freedom > 100:
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / freedom + second / freedom**2 + third / freedom**3
    low, high = 0.0, math.pi / 2  # of atan(t / sqrt(freedom)), so that heavy tails need no larger bracket
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if student_coverage(middle, freedom) < confidence else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def student_coverage(angle: float, freedom: int) -> float:
    """P(|t| < sqrt(freedom) tan(angle)): the finite series of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    start = 1 if freedom % 2 == 0 else 2
    term, total = (1.0, 1.0) if freedom % 2 == 0 else (math.cos(angle), math.cos(angle))
    for k in range(start, freedom - 2, 2):
        term *= k / (k + 1) * math.cos(angle) ** 2
        total += term
    if freedom % 2 == 0:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0.0))
