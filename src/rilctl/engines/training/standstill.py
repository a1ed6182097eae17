"""Whether this process stands still: its main thread stays where it is, and no thread computes."""

import sys
import time
from pathlib import Path
from threading import main_thread
from types import FrameType

_IDLE_SHARE = 0.02
"""Of a processor's time: less is no work. A rank that waits on a GPU for another one is busy, it asks all the time."""
_OURS = Path(__file__).parents[2]


class Standstill:
    """Looked at every now and then; seconds since something last moved."""

    def __init__(self) -> None:
        self._where: tuple[tuple[int, int], ...] = ()
        self._cpu_s = 0.0
        self._looked_at = self._moved_at = time.monotonic()

    def look(self) -> float:
        """Seconds for which the main thread has been at the same place, and the process hasn't computed."""
        now, cpu_s, where = time.monotonic(), time.process_time(), tuple(_places())
        if where != self._where or cpu_s - self._cpu_s > _IDLE_SHARE * (now - self._looked_at):
            self._moved_at = now
        self._where, self._cpu_s, self._looked_at = where, cpu_s, now
        return now - self._moved_at


def whereabouts() -> str:
    """The innermost place in this package where the main thread is, for a person; `somewhere` if there is none."""
    frame = _frame()
    while frame is not None and _OURS not in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
    if frame is None:
        return "somewhere"
    return f"{Path(frame.f_code.co_filename).relative_to(_OURS)}:{frame.f_lineno}"


def _places() -> list[tuple[int, int]]:
    places, frame = list[tuple[int, int]](), _frame()
    while frame is not None:
        places.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    return places


def _frame() -> FrameType | None:
    return sys._current_frames().get(main_thread().ident or 0)
