"""Writing while training goes on: bytes wait in host memory for a thread that brings them to the disk.

Training goes on as soon as what it hands over fits into free memory; where little is free, it waits for the disk.
"""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_SHARE = 0.5
"""Of the host's free memory that may wait for the disk; the rest is for what else grows."""
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Written:
    """A file that is on the disk.

    Args:
        path: where.
        size_bytes: its size.
        sha256: of what was meant to be written.
    """

    path: Path
    size_bytes: int
    sha256: str


class Disk:
    """Does in a thread, one after the other, what it is handed; after a failure it does nothing more.

    Args:
        room_bytes: what may wait in memory; 0: whoever hands something over waits until it is written.
    """

    def __init__(self, room_bytes: int = 0) -> None:
        self._room_bytes = room_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._changed = threading.Condition()
        self._waiting_bytes, self._num_waiting = 0, 0
        self._failure: Exception | None = None
        self._written: list[Written] = []

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._thread.shutdown(wait=kind is None, cancel_futures=True)

    @property
    def waiting_bytes(self) -> int:
        """What isn't written yet."""
        return self._waiting_bytes

    def put(self, work: Callable[[], None], num_bytes: int = 0) -> None:
        """Have something done; returns when what waits fits into memory.

        Args:
            work: writes.
            num_bytes: that it holds in memory until then.
        """
        with self._changed:
            self._waiting_bytes += num_bytes
            self._num_waiting += 1
            self._thread.submit(self._do, work, num_bytes)
            self._changed.wait_for(lambda: self._waiting_bytes <= self._room_bytes)

    def note(self, written: Written) -> None:
        """Called in the thread: a file is there, whole."""
        self._written.append(written)

    def wait(self) -> list[Written]:
        """The files that were written since the last call, when all are. Raises what writing one of them raised."""
        with self._changed:
            self._changed.wait_for(lambda: not self._num_waiting)
            failure, self._failure = self._failure, None
            written, self._written = self._written, []
        if failure is not None:
            raise failure
        return written

    def _do(self, work: Callable[[], None], num_bytes: int) -> None:
        try:
            if self._failure is None:
                work()
        except Exception as error:  # it is raised where it is waited for
            self._failure = error
        finally:
            with self._changed:
                self._waiting_bytes -= num_bytes
                self._num_waiting -= 1
                self._changed.notify_all()


def free_room_bytes(num_processes: int, environment: Mapping[str, str] = os.environ) -> int:
    """What one of a host's processes may let wait in memory; 0 where the system doesn't say what is free.

    Args:
        num_processes: of the run; all count as this host's where nothing says how many are.
        environment: of the process.
    """
    free = [number for number in (_free_on_host(), _free_in_group()) if number is not None]
    here = int(environment.get("LOCAL_WORLD_SIZE", num_processes))
    return int(_SHARE * min(free) / here) if free else 0


def _free_on_host() -> int | None:
    try:
        lines = _MEMORY.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _free_in_group() -> int | None:
    """Below the limit of a container."""
    try:
        return int((_GROUP / "memory.max").read_text()) - int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or no limit: `max`
        return None
