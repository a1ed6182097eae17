"""One writer per directory, through a lock that names its holder.

The operating system holds the lock (flock, through `filelock`), so a process that dies lets go of it, however it dies;
the holder's name is in a file beside it, for people.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rilctl.artifacts.layout import LOCK, LOCK_HOLDER, write_atomic
from rilctl.errors import LockedError


@contextmanager
def writer_lock(directory: Path) -> Iterator[None]:
    """Be the directory's one writer.

    Args:
        directory: must exist.

    Raises:
        LockedError: another process is; the message says which.
    """
    from filelock import FileLock, Timeout  # here, because it is slow to import and readers don't need it

    lock = FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"`{directory}` is being written by {_holder(directory)}",
            hint="wait until it has finished, stop it, or choose another directory with `--out`",
        ) from error
    try:
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomic(directory / LOCK_HOLDER, json.dumps(holder).encode())
        yield
    finally:
        # The lock file itself stays: unlinking a locked file would let two writers lock two different inodes.
        (directory / LOCK_HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / LOCK_HOLDER).read_bytes())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it has the lock, but not yet written its name
