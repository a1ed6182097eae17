"""Several arms with few seeds each: the seeds' spread is estimated from all arms together.

Two seeds of one arm say next to nothing of its spread (Student's t with one degree of freedom). K arms of S seeds have
K (S - 1) degrees of freedom together, as in an analysis of variance. An arm that spreads more than the others keeps its
own, larger spread, so that an unsteady method isn't flattered by steady ones. Questions are paired as in `crossed`:

    V = var_q(mean_s a - mean_s b) / Q + (max(v, v_a) + max(v, v_b)) / S,   v = mean of the arms' variances over seeds

with Satterthwaite's freedom. An arm with one student has no part in it. Plain floats.
"""

import math
from collections.abc import Mapping
from statistics import fmean, variance
from typing import NamedTuple

from rilctl.algorithms.crossed import Difference, Scores, t_coverage, t_quantile
from rilctl.algorithms.statistics import Interval


class SeedSpread(NamedTuple):
    """How far students of one arm lie apart.

    Args:
        variance: of their accuracies, mean over the arms with several.
        freedom: its degrees of freedom; 0: no arm has several.
    """

    variance: float
    freedom: int


def seed_spread(arms: Mapping[str, Scores]) -> SeedSpread:
    """Of all arms together."""
    several = [[fmean(row) for row in rows] for rows in arms.values() if len(rows) > 1]
    freedom = sum(len(each) - 1 for each in several)
    total = sum(variance(each) * (len(each) - 1) for each in several)
    return SeedSpread(total / freedom if freedom else 0.0, freedom)


def pooled_difference(a: Scores, b: Scores, spread: SeedSpread, confidence: float = 0.95) -> Difference:
    """Mean score of a minus that of b, with an interval for other seeds and other questions.

    Args:
        a: by seed, then by question; the same questions for each.
        b: likewise.
        spread: of all arms that are compared.
        confidence: in (0, 1).

    Raises:
        ValueError: the questions aren't the same, or there is none.
    """
    if len({len(row) for row in (*a, *b)}) != 1 or not a or not b or not a[0]:
        raise ValueError("need the same questions for each seed of both, at least one")
    each = [fmean(x) - fmean(y) for x, y in zip(zip(*a, strict=True), zip(*b, strict=True), strict=True)]
    total = len(each) + 2  # half a question more of each outcome, as `crossed_difference`
    centre = sum(each) / total
    questions = ((sum(value * value for value in each) + 1) / total - centre**2) / total
    error, freedom = _with_seeds(questions, len(each), _of_seeds(a, spread) + _of_seeds(b, spread), spread)
    half = t_quantile(confidence, freedom) * error
    interval = Interval(fmean(each), max(-1.0, centre - half), min(1.0, centre + half))
    return Difference(interval, 1 - t_coverage(abs(centre) / error, freedom))


def pooled_mean(scores: Scores, spread: SeedSpread, confidence: float = 0.95) -> Interval:
    """An arm's mean score, likewise; two questions more of either outcome, as `crossed_mean`."""
    each = [fmean(column) for column in zip(*scores, strict=True)]
    total = len(each) + 4
    centre = (sum(each) + 2) / total
    questions = ((sum(value * value for value in each) + 2) / total - centre**2) / total
    error, freedom = _with_seeds(questions, len(each), _of_seeds(scores, spread), spread)
    half, mean = t_quantile(confidence, freedom) * error, fmean(each)
    return Interval(mean, min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))


def _of_seeds(scores: Scores, spread: SeedSpread) -> float:
    """An arm's part of the variance of a mean over its seeds."""
    if len(scores) == 1:
        return 0.0
    return max(spread.variance, variance([fmean(row) for row in scores])) / len(scores)


def _with_seeds(questions: float, num_questions: int, seeds: float, spread: SeedSpread) -> tuple[float, float]:
    """Standard error, and its degrees of freedom."""
    if not seeds:
        return math.sqrt(questions), math.inf
    total = questions + seeds
    parts = questions**2 / max(1, num_questions - 1) + seeds**2 / spread.freedom
    return math.sqrt(total), total**2 / parts
