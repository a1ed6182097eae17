"""One sentence: which arm to use, how sure that is, and what it costs."""

import math
from collections.abc import Mapping, Sequence

from rilctl.pipeline.comparison.result import LEVEL
from rilctl.reporting.tables import percent, said_seconds
from rilctl.schemas.comparison import ComparedArm, PairedDifference

NEAR = 1.25
"""Seconds are measured beside other work: so much more than the least is as cheap."""


def give_advice(
    arms: Sequence[ComparedArm],
    paired: Sequence[PairedDifference],
    costs: Mapping[str, float],
    *,
    questions: int,
    num_seeds: int,
    makes_nothing: frozenset[str],
) -> str:
    """The best of the cheapest of the arms that can't be told from the best, and why.

    Args:
        arms: all.
        paired: every two.
        costs: seconds of each arm with what it needs of the shared work; an arm without a record is absent.
        questions: held-out ones.
        num_seeds: students of each arm.
        makes_nothing: arms that leave the shared student as it is.
    """
    best = max(arms, key=lambda arm: arm.accuracy)
    p = {(pair.a, pair.b): pair.p for pair in paired}
    alike = [
        arm for arm in arms if arm is best or p.get((arm.name, best.name), p.get((best.name, arm.name), 1.0)) >= LEVEL
    ]
    lowest = min(costs.get(arm.name, math.inf) for arm in alike)
    cheap = [arm for arm in alike if costs.get(arm.name, math.inf) <= NEAR * lowest]
    chosen = max(cheap, key=lambda arm: arm.accuracy)
    keeps = chosen.name in makes_nothing
    what = f"keep the student as it is (`{chosen.name}`)" if keeps else f"use `{chosen.name}`"
    how_good = f"{percent(chosen.accuracy)} ({chosen.low * 100:.1f} to {chosen.high * 100:.1f})"
    seeds = f"over {num_seeds} seeds" if num_seeds > 1 else "with one seed, which says nothing of others"
    parts = [f"{what}: {how_good} on {questions:,} held-out questions {seeds}", _why(chosen, best, alike, len(paired))]
    if chosen.full_size_seconds is not None:
        parts.append(f"its own verbs take about {said_seconds(chosen.full_size_seconds)} at full size as measured here")
    return "; ".join(parts)


def _why(chosen: ComparedArm, best: ComparedArm, alike: Sequence[ComparedArm], num_pairs: int) -> str:
    told = f"told apart (Holm at {LEVEL * 100:.0f} %, {num_pairs} pairs)"
    if len(alike) == 1:
        return f"it is better than every other arm, all {told}"
    others = ", ".join(f"`{arm.name}` {percent(arm.accuracy)}" for arm in alike if arm is not chosen)
    how = "the best, and among the cheapest" if chosen is best else "among the cheapest"
    return f"it is {how} of {len(alike)} arms that can't be {told}: the others are {others}"
