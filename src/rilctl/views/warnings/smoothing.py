"""What signs ask of a series: how it begins, where it is steadily beyond a bound, how often it turns."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

Points = Sequence[tuple[int, float]]

WINDOW = 5
"""Steps of a mean: one step of a few dozen rows is mostly noise."""
MOST_RANGES = 5
"""That a sentence names."""


def smoothed(points: Points) -> list[tuple[int, float]]:
    """The mean of each value and those just before it, `WINDOW` in all; nothing before there are so many."""
    values = [value for _, value in points]
    return [(points[at][0], fmean(values[at + 1 - WINDOW : at + 1])) for at in range(WINDOW - 1, len(points))]


def beginning(points: Points, window: int = WINDOW) -> float | None:
    """The mean of the first `window` values; None where there are fewer."""
    return fmean(value for _, value in points[:window]) if len(points) >= window else None


def steps_where(points: Points, holds: Callable[[float], bool]) -> tuple[int, ...]:
    """The steps whose value is as asked."""
    return tuple(step for step, value in points if holds(value))


def together(first: Points, *others: Points) -> list[tuple[int, tuple[float, ...]]]:
    """Values of several series at the steps that all have, the first one's first."""
    tables = [dict(points) for points in others]
    return [
        (step, (value, *(table[step] for table in tables)))
        for step, value in first
        if all(step in table for table in tables)
    ]


def turns(points: Points, height: float) -> tuple[int, ...]:
    """The steps at which a series turns around after it went up or down by `height` or more.

    Its last move counts only once it is that high, so the noise at an end is none.
    """
    found: list[int] = []
    if not points:
        return ()
    low = high = points[0]
    direction = 0
    for point in points[1:]:
        if direction >= 0 and point[1] > high[1]:
            high = point
        if direction <= 0 and point[1] < low[1]:
            low = point
        if direction >= 0 and high[1] - point[1] >= height:
            found += [high[0]] if direction else []
            direction, low = -1, point
        elif direction <= 0 and point[1] - low[1] >= height:
            found += [low[0]] if direction else []
            direction, high = 1, point
    return tuple(found)


def percent(share: float, digits: int = 0) -> str:
    """`0.9` as `90 %`."""
    return f"{100 * share:.{digits}f} %"


def ranges(steps: Sequence[int]) -> str:
    """Steps for a person: `12 to 40, 55`; steps that stand near each other are one range, and of many some are told."""
    if not steps:
        return ""
    gap = max(1, round((steps[-1] - steps[0]) / 20))
    breaks = [0, *(at for at, (a, b) in enumerate(pairwise(steps), 1) if b - a > gap), len(steps)]
    parts = [(steps[begin], steps[end - 1]) for begin, end in pairwise(breaks)]
    said = [f"{first} to {last}" if first != last else f"{first}" for first, last in parts]
    if len(said) > MOST_RANGES:
        said = [*said[: MOST_RANGES - 1], f"… {said[-1]} ({len(said)} times)"]
    return ", ".join(said)
