"""The trackers of one run. None of them can end it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from rilctl.trackers.base import TrackedRun, Tracker, TrackerRecord
from rilctl.trackers.table import TRACKERS


class Mirrors:
    """Opens each tracker when the first step is logged, which is the first that it is told of.

    Args:
        names: of the trackers.
        run: what they are told; each has a folder of its own in its directory.
        warn: told once of each that fails.
        table: what there is.
    """

    def __init__(
        self,
        names: Sequence[str],
        run: TrackedRun,
        *,
        warn: Callable[[str], object],
        table: Mapping[str, TrackerRecord] = TRACKERS,
    ) -> None:
        self._waiting = {name: table[name] for name in names}
        self._run, self._warn = run, warn
        self._open: dict[str, Tracker] = {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell all trackers that haven't failed."""
        for name, record in self._waiting.items():
            told = replace(self._run, directory=self._run.directory / name, first_step=step)
            self._try(name, partial(self._start, name, record, told))
        self._waiting = {}
        for name, tracker in list(self._open.items()):
            self._try(name, partial(tracker.log, step, metrics))

    def finish(self) -> None:
        """The run is over, or interrupted."""
        for name, tracker in list(self._open.items()):
            self._try(name, tracker.finish)
        self._open = {}

    def _start(self, name: str, record: TrackerRecord, run: TrackedRun) -> None:
        try:
            self._open[name] = record.start(run)
        except ImportError as error:
            raise ImportError(f"{error}; install `rilctl[{record.extra}]`") from error

    def _try(self, name: str, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:  # whatever a mirror does, the run goes on
            self._open.pop(name, None)
            self._warn(f"{name} mirrors this run no longer, metrics.jsonl goes on: {type(error).__name__}: {error}")
