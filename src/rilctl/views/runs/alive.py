"""Whether anybody still writes to a run's directory, found out without touching its lock."""

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rilctl.artifacts.layout import LOCK_HOLDER, METRICS, RESUME, TIMINGS
from rilctl.artifacts.locks import Holder, read_holder

SILENCE_S = 900.0
"""A run on another host that notes its steps, and hasn't for so long, is taken for dead."""
_SLACK_S = 60.0
"""By so much the start of a process may seem later than what it wrote itself, where the clock was set meanwhile."""


@dataclass(frozen=True)
class Writer:
    """Who writes to a directory, or did when it was killed.

    Args:
        holder: its name.
        is_here: it runs on this host.
        is_alive: as far as anybody can tell.
        silent_s: since the last sign of life on disk; None where there is none.
    """

    holder: Holder
    is_here: bool
    is_alive: bool
    silent_s: float | None


def writer_of(run: Path) -> Writer | None:
    """Who writes to a run's directory. None: nobody; the last one ended by itself.

    On this host a process is there or not. Of another host only files can tell: one whose log grows is alive, one
    whose log has stood still for `SILENCE_S` is not, and one that keeps no log can't be seen to be dead.
    """
    holder = read_holder(run)
    if holder is None:
        return None
    last = _last_sign(run)
    silent_s = None if last is None else max(0.0, time.time() - last)
    if is_here := holder.host == socket.gethostname():
        is_alive = _runs(holder)
    else:
        is_alive = silent_s is None or silent_s < SILENCE_S or not (run / METRICS).exists()
    return Writer(holder, is_here, is_alive, silent_s)


def _last_sign(run: Path) -> float | None:
    """When something was last written, in seconds since the epoch."""
    files = [run / METRICS, run / TIMINGS, run / LOCK_HOLDER]
    with suppress(OSError):
        files += [run / RESUME, *(run / RESUME).iterdir()]
    return max((stamp for file in files if (stamp := _written_at(file)) is not None), default=None)


def _written_at(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def _runs(holder: Holder) -> bool:
    """Whether the process is there, and no later one that was given its number."""
    if holder.pid <= 0:
        return False
    try:
        os.kill(holder.pid, 0)
    except PermissionError:
        pass  # somebody else's
    except (OSError, OverflowError):
        return False
    try:
        state, started = _process(holder.pid)
        return state != "Z" and started <= datetime.fromisoformat(holder.since).timestamp() + _SLACK_S
    except (OSError, ValueError, IndexError, StopIteration):
        return True  # a system that doesn't say more


def _process(pid: int) -> tuple[str, float]:
    """The state of a process, `Z` for one that has ended, and when it began, in seconds since the epoch (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return fields[0], int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
