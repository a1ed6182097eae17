"""A run that is looked at again and again: only what is new is read."""

from dataclasses import dataclass
from pathlib import Path

from rilctl.artifacts.layout import METRICS, RESUME, ROLLOUT_LOG, TIMINGS
from rilctl.artifacts.tables import is_shard, read_shard
from rilctl.errors import ArtifactError
from rilctl.schemas.records import RolloutRecord
from rilctl.views.runs.find import view_run
from rilctl.views.runs.lines import last_lines
from rilctl.views.runs.series import Series, SeriesFile
from rilctl.views.runs.view import RunView, as_rollout
from rilctl.views.warnings import find_signs
from rilctl.views.watch.progress import Progress, progress_of

_TAIL_BYTES = 1 << 18
_MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class Look:
    """A run as it stands now.

    Args:
        run: the run.
        metrics: what was measured so far.
        progress: how far it is.
        rollouts: the rows of the newest step, in the order of its groups; empty where it has none.
        warnings: what its metrics say is wrong, a line for each sign's name, bad news first.
    """

    run: RunView
    metrics: Series
    progress: Progress
    rollouts: list[RolloutRecord]
    warnings: dict[str, str]

    @property
    def newest(self) -> dict[str, float]:
        """The newest value of each metric."""
        return {name: points[-1][1] for name, points in self.metrics.items()}


class Watched:
    """One run. Nothing is written, nothing is locked.

    Args:
        path: its directory, as `find_runs` gives it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._metrics, self._timings = SeriesFile(path / METRICS), SeriesFile(path / TIMINGS)
        self._kept: tuple[object, list[RolloutRecord]] = (None, [])

    def look(self) -> Look:
        """Read what is new. Raises `ArtifactError` where the directory is gone, or may not be read."""
        if not self._path.is_dir():
            raise ArtifactError(f"`{self._path}` is gone", hint="was it moved or deleted?")
        run = view_run(self._path)
        for log in (self._metrics, self._timings):
            try:
                log.read()
            except OSError as error:
                run.problems.append(f"a log can't be read: {error.strerror or error}")
        progress = progress_of(run, self._metrics.series, self._timings.series)
        warnings = {sign.name: f"{sign.title}: {seen.says}" for sign, seen in find_signs(self._metrics.series)}
        return Look(run, self._metrics.series, progress, self._rollouts(run, progress.step), warnings)

    def _rollouts(self, run: RunView, step: int | None) -> list[RolloutRecord]:
        """Those of the newest step; they are read again when there is a newer one."""
        known = (step, run.artifacts.get("rollouts"))
        if self._kept[0] != known:
            self._kept = (known, newest_rollouts(run))
        return self._kept[1]


def newest_rollouts(run: RunView) -> list[RolloutRecord]:
    """The rows of the newest step that a run has kept; what can't be read is told in the run's `problems`."""
    if "rollouts" not in run.manifests:
        return _newest_so_far(run)
    shards = sorted(entry.path for entry in run.manifests["rollouts"].files if is_shard(entry.path))
    rows: list[RolloutRecord] = []
    try:
        for row in read_shard(run.artifacts["rollouts"] / shards[-1], RolloutRecord) if shards else ():
            rows = [*rows, row] if rows and rows[-1].step == row.step else [row]
    except ArtifactError as error:
        run.problems.append(error.message)
    return rows


def _newest_so_far(run: RunView) -> list[RolloutRecord]:
    """From the end of the log, as far back as it takes to have the whole newest step."""
    tail_bytes = _TAIL_BYTES
    while True:
        try:
            lines = last_lines(run.path / RESUME / ROLLOUT_LOG, tail_bytes)
        except OSError as error:
            run.problems.append(f"rollouts can't be read: {error.strerror or error}")
            return []
        rows = [row for line in lines if (row := as_rollout(line)) is not None]
        newest = [row for row in rows if row.step == rows[-1].step]
        is_all = len(newest) < len(rows) or sum(map(len, lines)) < tail_bytes // 2
        if is_all or tail_bytes >= _MOST_BYTES:
            return newest
        tail_bytes *= 4
