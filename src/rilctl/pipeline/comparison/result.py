"""Accuracies with intervals, and every two arms side by side."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean

from rilctl.algorithms.comparisons import holm
from rilctl.algorithms.pooled import SeedSpread, pooled_difference, pooled_mean, seed_spread
from rilctl.algorithms.statistics import Interval, wilson_interval
from rilctl.config.arms import Arm
from rilctl.errors import ArtifactError
from rilctl.pipeline.comparison.measured import Measured, Question
from rilctl.schemas.comparison import ComparedArm, ComparedSeed, PairedDifference

LEVEL = 0.05
"""Chance that two arms that are alike are told apart, in all pairs together."""
Scores = Mapping[str, Sequence[Sequence[float]]]
"""By arm: a row for each seed, the questions in one order."""


def common_questions(measured: Mapping[tuple[str, int], Measured]) -> tuple[list[Question], int]:
    """The questions that every student has a score for, and how many some student has none for.

    Raises:
        ArtifactError: there is none.
    """
    sets = [each.scores.keys() for each in measured.values()]
    common = sorted(set(sets[0]).intersection(*sets[1:]))
    if not common:
        raise ArtifactError("no held-out question has a score in every arm", hint="look at the evaluations")
    return common, len(set().union(*sets)) - len(common)


def scores_by_arm(measured: Mapping[tuple[str, int], Measured], questions: Sequence[Question]) -> Scores:
    """The scores that count."""
    found: dict[str, list[list[float]]] = {}
    for (name, _), each in measured.items():
        found.setdefault(name, []).append([each.scores[question] for question in questions])
    return found


def compared_arm(
    arm: Arm,
    measured: Mapping[int, Measured],
    scores: Sequence[Sequence[float]],
    spread: SeedSpread,
    full_size_seconds: float | None,
) -> ComparedArm:
    """One arm's part of the report.

    Args:
        arm: which.
        measured: by seed.
        scores: a row for each seed.
        spread: of the seeds of all arms.
        full_size_seconds: see `ComparedArm`.
    """
    interval = accuracy_interval(scores, spread)
    seeds = [
        ComparedSeed(seed=seed, accuracy=fmean(row), response_tokens=each.response_tokens, seconds=_round(each.seconds))
        for (seed, each), row in zip(measured.items(), scores, strict=True)
    ]
    seconds = [each.seconds for each in measured.values() if each.seconds is not None]
    return ComparedArm(
        name=arm.name,
        about=arm.table.about,
        accuracy=interval.estimate,
        low=interval.low,
        high=interval.high,
        response_tokens=round(fmean(each.response_tokens for each in measured.values())),
        seconds=_round(fmean(seconds)) if len(seconds) == len(measured) else None,
        full_size_seconds=_round(full_size_seconds),
        seeds=seeds,
    )


def accuracy_interval(scores: Sequence[Sequence[float]], spread: SeedSpread) -> Interval:
    """Over questions and seeds; of one seed whose questions are right or wrong, Wilson's."""
    if len(scores) == 1 and set(scores[0]) <= {0.0, 1.0}:
        return wilson_interval(round(sum(scores[0])), len(scores[0]))
    return pooled_mean(scores, spread)


def paired_differences(scores: Scores) -> list[PairedDifference]:
    """Every two arms, in their order."""
    pairs = list(combinations(scores, 2))
    confidence = 1 - LEVEL / max(1, len(pairs))
    spread = seed_spread(scores)
    found = {(a, b): pooled_difference(scores[a], scores[b], spread, confidence) for a, b in pairs}
    adjusted = holm({pair: each.p for pair, each in found.items()})
    return [
        PairedDifference(
            a=a,
            b=b,
            difference=each.interval.estimate,
            low=each.interval.low,
            high=each.interval.high,
            p=adjusted[a, b],
        )
        for (a, b), each in found.items()
    ]


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
