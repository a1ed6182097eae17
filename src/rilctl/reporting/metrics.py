"""A run's log: `metrics.jsonl` holds what is deterministic, `timings.jsonl` the rest."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import METRICS, TIMINGS
from rilctl.artifacts.log_file import LogFile
from rilctl.errors import ArtifactError, RilctlError

MetricsRow = dict[str, float]
"""`step`, and what was measured in it; a metric that could not be computed is absent."""


class MetricsLog:
    """Appends one line per step to both files of a run directory.

    Args:
        directory: the run's output directory; it exists.
        writes: False: nothing is; another process does.
    """

    def __init__(self, directory: Path, *, writes: bool = True) -> None:
        self._writes = writes
        self._metrics, self._timings = LogFile(directory / METRICS), LogFile(directory / TIMINGS)

    @property
    def files(self) -> tuple[LogFile, ...]:
        """Both."""
        return self._metrics, self._timings

    def write(self, step: int, metrics: Mapping[str, float], timings: Mapping[str, float] | None = None) -> None:
        """Append what was measured in `step`; both lines are with the operating system when this returns.

        Args:
            step: counted from 1.
            metrics: values that a run on the same hardware would repeat.
            timings: seconds, bytes, rates: whatever differs from run to run.

        Raises:
            RilctlError: a value is not finite; neither file is touched.
        """
        lines = [(self._metrics, _line(step, metrics))]
        if timings:
            lines.append((self._timings, _line(step, timings)))
        for file, line in lines if self._writes else ():
            file.append([line])


def read_metrics(path: Path) -> list[MetricsRow]:
    """The rows of a metrics file, in order; a last line that is still being written is left out.

    Raises:
        ArtifactError: the file is missing, or a line of it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} can't be read: {error}", hint="name the directory of a training run") from error
    *lines, _unfinished = text.split("\n")
    return [parse_row(line, path, number) for number, line in enumerate(lines, start=1)]


def as_row(line: str | bytes) -> MetricsRow | None:
    """What a line says, or None where it is no row of metrics."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "step" in row and all(map(_is_number, row.values())) else None


def parse_row(line: str, path: Path, number: int) -> MetricsRow:
    """A line of either file. Raises `ArtifactError` where it is none."""
    row = as_row(line)
    if row is None:
        raise ArtifactError(f"{path}, line {number}: not a row of metrics", hint="was the file edited or cut?")
    return row


def _line(step: int, values: Mapping[str, float]) -> str:
    for name, value in values.items():
        if not math.isfinite(value):
            raise RilctlError(f"step {step}: `{name}` is {value}", hint="lower the learning rate, in a new directory")
    return _dump({"step": step, **dict(sorted(values.items()))})


def _dump(row: Mapping[str, float]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63  # beyond it no float need be near
    return isinstance(value, float) and math.isfinite(value)
