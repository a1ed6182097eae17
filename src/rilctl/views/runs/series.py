"""A run's logs as one series for each metric."""

from collections.abc import Iterable
from pathlib import Path

from rilctl.reporting.metrics import as_row
from rilctl.views.runs.lines import Lines

Series = dict[str, list[tuple[int, float]]]
"""By metric (step, value), in the order of steps; a step without the metric is absent."""


class SeriesFile:
    """A log that may still grow.

    Args:
        path: `metrics.jsonl` or `timings.jsonl`; it needn't be there.
    """

    def __init__(self, path: Path) -> None:
        self.series: Series = {}
        self.last_step: int | None = None
        """The newest; None: there is none yet."""
        self.num_damaged = 0
        """Lines that are no rows, and left out."""
        self._lines = Lines(path)

    def read(self) -> None:
        """Take in what is new. Raises `OSError` where the file is there and can't be read."""
        lines, starts_over = self._lines.read()
        if starts_over:
            self.series, self.last_step, self.num_damaged = {}, None, 0
        self.num_damaged += _add(self.series, lines)
        steps = [points[-1][0] for points in self.series.values()]
        self.last_step = max(steps, default=None)


def _add(series: Series, lines: Iterable[bytes]) -> int:
    """Add the rows of lines to a series; the number of lines that are none. Of one step twice, the later counts."""
    num_damaged = 0
    for line in lines:
        row = as_row(line)
        if row is None:
            num_damaged += 1
            continue
        step = int(row.pop("step"))
        for name, value in row.items():
            points = series.setdefault(name, [])
            while points and points[-1][0] >= step:
                points.pop()
            points.append((step, float(value)))
    return num_damaged
