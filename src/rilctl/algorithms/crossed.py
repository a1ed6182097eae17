"""Two students on the same questions, each trained on several seeds: what the difference would be on other ones.

Questions and seeds are both drawn from more of their kind, and every seed answers every question: a crossed design of
two random factors. With d_sq the difference of seed s on question q, S seeds and Q questions, the variance of the mean
is estimated by the questions' part plus the seeds' part, less what both count twice,

    V = V_q + V_s - V_sq,   V_q = var_q(mean_s d) / Q,   V_s = var_s(mean_q d) / S,   V_sq = var(rest) / (S Q)

and the mean over sqrt(V) has about Student's t distribution, with the freedom that Satterthwaite (1946) gives a sum of
variances. So it is done where several readers read the same cases (Obuchowski and Rockette 1995). Few seeds that
disagree make a wide interval; one seed says nothing about others, and V is V_q alone. Plain floats; no tensor comes in.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, variance
from typing import NamedTuple

from rilctl.algorithms.statistics import Interval, student_coverage, student_quantile

Scores = Sequence[Sequence[float]]
"""A student's score, 0 to 1: by seed, then by question."""


class Difference(NamedTuple):
    """The mean of a minus b.

    Args:
        interval: between -1 and 1.
        p: two-sided, of no difference.
    """

    interval: Interval
    p: float


def crossed_difference(a: Scores, b: Scores, confidence: float = 0.95) -> Difference:
    """Mean score of a minus that of b over seeds and questions, with an interval for other seeds and other questions.

    Half a question more of each outcome of the 2 x 2 table (Agresti and Min 2005, as `paired_difference`) keeps it from
    being empty where no question tells the two apart.

    Args:
        a: the same number of questions for each seed, in the same order.
        b: as many seeds and questions.
        confidence: in (0, 1).

    Raises:
        ValueError: the shapes differ, or there is no question.
    """
    shapes = {len(row) for row in (*a, *b)}
    if len(a) != len(b) or not a or len(shapes) != 1 or shapes == {0}:
        raise ValueError("need the same questions for each seed of both, at least one")
    each = [[x - y for x, y in zip(row_a, row_b, strict=True)] for row_a, row_b in zip(a, b, strict=True)]
    of_question = [fmean(row) for row in zip(*each, strict=True)]
    total = len(of_question) + 2
    centre = sum(of_question) / total
    questions = ((sum(value * value for value in of_question) + 1) / total - centre**2) / total
    spread, freedom = _with_seeds(each, questions, len(of_question))
    half = t_quantile(confidence, freedom) * spread
    interval = Interval(fmean(of_question), max(-1.0, centre - half), min(1.0, centre + half))
    return Difference(interval, 1 - t_coverage(abs(centre) / spread, freedom))


def crossed_mean(scores: Scores, confidence: float = 0.95) -> Interval:
    """A student's mean score over seeds and questions, with an interval for other seeds and other questions.

    Two questions more of either outcome (Agresti and Coull 1998) keep it from being empty at 0 and 1.

    Args:
        scores: the same number of questions for each seed, at least one.
        confidence: in (0, 1).

    Raises:
        ValueError: seeds have different numbers of questions, or none.
    """
    if len({len(row) for row in scores}) != 1 or not scores[0]:
        raise ValueError("need the same questions for each seed, at least one")
    of_question = [fmean(row) for row in zip(*scores, strict=True)]
    total = len(of_question) + 4
    centre = (sum(of_question) + 2) / total
    questions = ((sum(value * value for value in of_question) + 2) / total - centre**2) / total
    spread, freedom = _with_seeds(scores, questions, len(of_question))
    half, mean = t_quantile(confidence, freedom) * spread, fmean(of_question)
    return Interval(mean, min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))


def _with_seeds(each: Scores, questions: float, num_questions: int) -> tuple[float, float]:
    """Standard error of the mean over both, and its degrees of freedom."""
    num_seeds = len(each)
    if num_seeds == 1:
        return math.sqrt(questions), math.inf
    of_seed = [fmean(row) for row in each]
    of_question, mean = [fmean(row) for row in zip(*each, strict=True)], fmean(of_seed)
    rest = sum(
        (value - of_seed[s] - of_question[q] + mean) ** 2 for s, row in enumerate(each) for q, value in enumerate(row)
    )
    freedom_rest = (num_seeds - 1) * max(1, num_questions - 1)
    seeds, both = variance(of_seed) / num_seeds, rest / freedom_rest / (num_seeds * num_questions)
    total = max(questions, questions + seeds - both)
    freedom = total**2 / (
        questions**2 / max(1, num_questions - 1) + seeds**2 / (num_seeds - 1) + both**2 / freedom_rest
    )
    return math.sqrt(total), freedom


def t_quantile(confidence: float, freedom: float) -> float:
    """Two-sided; of infinitely many degrees of freedom, the normal's."""
    if math.isinf(freedom):
        return NormalDist().inv_cdf((1 + confidence) / 2)
    return student_quantile(confidence, max(1, math.floor(freedom)))


def t_coverage(t: float, freedom: float) -> float:
    """P(|T| < t)."""
    whole = math.inf if math.isinf(freedom) else max(1, math.floor(freedom))
    if whole > 1000:
        return 2 * NormalDist().cdf(t) - 1
    return student_coverage(math.atan(t / math.sqrt(whole)), int(whole))
