"""A curve in characters: two by four dots in each, or one star where the terminal has no such characters."""

from collections.abc import Sequence
from itertools import pairwise

Points = Sequence[tuple[int, float]]

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot, by row from above and column (Unicode, Braille Patterns)."""


def bounds(points: Points, *, is_share: bool) -> tuple[float, float]:
    """What the axis of values spans: 0 to 1 for a share that is flat or uses a quarter of it, else what there is."""
    values = [value for _, value in points] or [0.0]
    low, high = min(values), max(values)
    is_flat = high - low < 1e-12 * max(1.0, abs(high))
    if is_share and low >= 0 and high <= 1 and (is_flat or high - low >= 0.25):
        return 0.0, 1.0
    if is_flat and not high:
        return 0.0, 1.0
    if is_flat:  # in the middle
        margin = abs(high) / 2
        return low - margin, high + margin
    return low, high


def draw(points: Points, width: int, height: int, low: float, high: float, *, braille: bool = True) -> list[str]:
    """The curve, from the first step to the last.

    Args:
        points: (step, value), by step.
        width: columns.
        height: lines.
        low: value of the lowest dot.
        high: of the highest; > low.
        braille: whether the terminal has these characters.

    Returns:
        `height` lines of `width` characters.
    """
    across, down = (2, 4) if braille else (1, 1)
    columns = _columns(points, across * width)
    rows = [
        None if value is None else round((high - min(max(value, low), high)) / (high - low) * (down * height - 1))
        for value in columns
    ]
    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for column, row in enumerate(rows):
        if row is None:
            continue
        # A steep piece is drawn upright, so that the curve has no holes.
        start = row if before is None else before + (row > before) - (row < before)
        for dot in range(min(start, row), max(start, row) + 1):
            cells[dot // down][column // across] |= _DOTS[dot % down][column % across] if braille else 1
        before = row
    return ["".join(chr(_BRAILLE + cell) if braille else " *"[cell] for cell in line) for line in cells]


def _columns(points: Points, num: int) -> list[float | None]:
    """The value in each column: the mean of its points, or on the line between its neighbours; None before and after.

    A single point stands in the first column.
    """
    if not points:
        return [None] * num
    first, last = points[0][0], points[-1][0]
    held: list[list[float]] = [[] for _ in range(num)]
    for step, value in points:
        held[round((step - first) / (last - first) * (num - 1)) if last > first else 0].append(value)
    columns: list[float | None] = [sum(values) / len(values) if values else None for values in held]
    filled = [at for at, value in enumerate(columns) if value is not None]
    for left, right in pairwise(filled):
        start, end = columns[left], columns[right]
        assert start is not None and end is not None
        for at in range(left + 1, right):
            columns[at] = start + (end - start) * (at - left) / (right - left)
    return columns
