"""The trackers of a run that is under way: each in a thread of its own, and none of them can end the run."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from rilctl.reporting.mirror import Mirror, Mirrored
from rilctl.threads import LINGERING
from rilctl.trackers.base import TrackerRecord
from rilctl.trackers.table import TRACKERS

HANG_S = 120.0
"""A tracker that takes longer for one call is no use to anybody."""
FINISH_S = 60.0
"""How long the end of a run waits for its trackers, all together."""


class Mirrors:
    """Tells each tracker's thread that there is something new; a step waits for none of them.

    Args:
        names: of the trackers.
        run: whose mirrors they are.
        warn: told once of each that fails.
        table: what there is.
        hang_s: see `HANG_S`.
        finish_s: see `FINISH_S`.
    """

    def __init__(
        self,
        names: Sequence[str],
        run: Mirrored,
        *,
        warn: Callable[[str], object],
        table: Mapping[str, TrackerRecord] = TRACKERS,
        hang_s: float = HANG_S,
        finish_s: float = FINISH_S,
    ) -> None:
        self._waiting = [table[name] for name in names]
        self._run, self._warn = run, warn
        self._hang_s, self._finish_s = hang_s, finish_s
        self._threads: list[_Thread] = []

    def log(self, step: int) -> None:
        """A step is in the files."""
        for record in self._waiting:
            self._threads.append(_Thread(record, self._run, step))
        self._waiting = []
        for thread in self._threads:
            thread.until = step
            thread.new.set()
        self._drop_failed()

    def finish(self) -> None:
        """The run is over, or interrupted, and its artifacts are written, if there are any."""
        deadline = time.monotonic() + self._finish_s
        for thread in self._threads:
            thread.is_last = True
            thread.new.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._hang_s = 0.0
        self._drop_failed()
        self._threads = []

    def _drop_failed(self) -> None:
        for thread in list(self._threads):
            problem = thread.problem(self._hang_s)
            if problem is None:
                continue
            self._threads.remove(thread)
            thread.is_dropped = True
            catch_up = f"`rilctl tracking sync {self._run.path} --to {thread.name}` sends what it lacks"
            self._warn(f"{thread.name} mirrors this run no longer, metrics.jsonl goes on: {problem}; {catch_up}")


class _Thread(threading.Thread):
    """Sends what is new whenever it is told to, until it has failed, was dropped, or the run is over."""

    def __init__(self, record: TrackerRecord, run: Mirrored, step: int) -> None:
        super().__init__(name=record.name, daemon=True)
        self.new = threading.Event()
        self.is_last = self.is_dropped = False
        self._record, self._run, self._first_step = record, run, step
        self.until = step
        self._failure: str | None = None
        self._busy_since: float | None = None
        self.start()

    def run(self) -> None:
        """See `Thread`."""
        try:
            self._follow()
        except Exception as error:  # whatever a mirror does, the run goes on
            self._failure = f"{type(error).__name__}: {error}"

    def problem(self, hang_s: float) -> str | None:
        """What is wrong; None: nothing is."""
        if self._failure is not None:
            return self._failure
        since = self._busy_since
        if not self.is_alive() or since is None or time.monotonic() - since <= hang_s:
            return None
        LINGERING.add(self.name)
        return f"it has not answered for {time.monotonic() - since:.0f} s"

    def _follow(self) -> None:
        mirror = Mirror(self._record, self._run, restarts_at=self._first_step)
        while not self.is_dropped:
            self.new.wait()
            self.new.clear()
            is_last = self.is_last
            self._busy_since = time.monotonic()
            mirror.send(self.until, self._is_dropped)
            if is_last and not self.is_dropped:
                mirror.finish()
            self._busy_since = None
            if is_last:
                return

    def _is_dropped(self) -> bool:
        self._busy_since = time.monotonic()  # a step of many is no hang
        return self.is_dropped
