"""A run's logs as trackers are sent them: from the files, so that what a tracker has missed is still there."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import METRICS, TIMINGS, open_regular
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.roles import artifacts_in
from rilctl.errors import ArtifactError
from rilctl.reporting.metrics import MetricsRow, parse_row
from rilctl.trackers.base import ArtifactLink


class LineTail:
    """The lines of a file that is still being written, each once; a last one without its end is left for later.

    Args:
        path: it needn't be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset, self._num_lines = 0, 0

    def new(self) -> Iterator[tuple[int, bytes]]:
        """Those that have come since the last call, with their numbers from 1. Raises `OSError`."""
        try:
            with open_regular(self.path) as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._offset += len(line)
                    self._num_lines += 1
                    yield self._num_lines, line
        except FileNotFoundError:
            return


class FollowedLogs:
    """Both logs of a run, step by step.

    Args:
        run: its directory.
    """

    def __init__(self, run: Path) -> None:
        self._metrics, self._timings = LineTail(run / METRICS), LineTail(run / TIMINGS)
        self._seconds: dict[int, dict[str, float]] = {}
        self._waiting: deque[tuple[int, dict[str, float]]] = deque()

    def steps(self, until: int | None = None) -> Iterator[tuple[int, dict[str, float]]]:
        """Steps that have come since the last call: metrics, and what the phases took as `timings/…`.

        Args:
            until: the last whose lines are in both files; None: all that are in the one are in the other.

        Raises:
            ArtifactError: a line is damaged.
        """
        self._waiting += [_parted(row) for row in _rows(self._metrics)]
        for row in _rows(self._timings):
            step, values = _parted(row)
            self._seconds[step] = {f"timings/{name}": seconds for name, seconds in values.items()}
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            step, values = self._waiting.popleft()
            yield step, values | self._seconds.pop(step, {})


def _rows(tail: LineTail) -> Iterator[MetricsRow]:
    for number, line in tail.new():
        yield parse_row(line.decode("utf-8", "replace"), tail.path, number)


def _parted(row: MetricsRow) -> tuple[int, dict[str, float]]:
    return int(row["step"]), {name: value for name, value in row.items() if name != "step"}


def artifact_links(run: Path, name: str) -> list[ArtifactLink]:
    """The artifacts that stand in a run's directory, by role; none that is partial, or can't be read.

    Args:
        run: the directory.
        name: the run's, for people.
    """
    found = []
    for path in [run, *artifacts_in(run)]:
        try:
            manifest = read_manifest(path)
        except ArtifactError:
            continue  # `artifacts verify` says why
        if manifest.status == "complete":
            role = name if path == run else f"{name}/{path.name}"
            found.append(ArtifactLink(role, manifest.kind, manifest.content_digest))
    return found
