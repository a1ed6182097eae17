"""Ranks of this very command on this host, as the kernel lists its processes."""

import os
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL


def is_twin(pid: int) -> bool:
    """Whether a process runs that was started with this one's command line.

    Where it belongs to a container with processes of its own, another one has its number here, or none.
    """
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return False


def kill_twin(pid: int) -> None:
    """End a process at once, if it is one."""
    if is_twin(pid):
        with suppress(OSError):
            os.kill(pid, SIGKILL)
