"""One writer per directory, through a lock that names its holder.

The operating system holds the lock (flock, through `filelock`), so a process that dies lets go of it, however it dies;
the holder's name is in a file beside it, for people.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from rilctl.artifacts.layout import LOCK, LOCK_HOLDER, MOST_JSON_BYTES, read_regular, write_atomic
from rilctl.errors import ArtifactError, LockedError
from rilctl.schemas.base import StrictModel

PATIENCE_S = 90.0
"""How long to wait for another writer: longer than one whose terminal or parent is gone takes to put its work away."""
_LOOK_S = 0.2


class Holder(StrictModel):
    """Who has a directory's lock, as `.lock.json` says it; a holder that was killed leaves that behind."""

    pid: int
    """Of the process."""
    host: str
    """Where it runs."""
    since: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Waiting:
    """How to wait for another writer.

    Args:
        say: told once, who that is and how long it may take.
        check_stop: called often; what it raises ends the wait.
    """

    say: Callable[[str], object]
    check_stop: Callable[[], object]


@contextmanager
def writer_lock(directory: Path, waiting: Waiting | None = None) -> Iterator[None]:
    """Be the directory's one writer.

    Args:
        directory: must exist.
        waiting: how to wait for another one; None: not at all.

    Raises:
        ArtifactError: a link is in the lock's place.
        LockedError: another process is, and still was after `PATIENCE_S`; the message says which.
    """
    from filelock import FileLock, Timeout  # here, because it is slow to import and readers don't need it

    if (directory / LOCK).is_symlink():
        raise ArtifactError(f"`{directory / LOCK}` is a link, and no lock of ours", hint="move it away")
    lock = FileLock(directory / LOCK, timeout=0)
    deadline: float | None = None
    while True:
        try:
            lock.acquire()
            break
        except Timeout as error:
            held = read_holder(directory)
            # Without a name: it has the lock, but not yet written its name.
            holder = f"process {held.pid} on {held.host} since {held.since}" if held else "another process"
            if waiting is None or (deadline is not None and time.monotonic() > deadline):
                raise LockedError(
                    f"`{directory}` is being written by {holder}",
                    hint="wait until it has finished, stop it, or choose another directory with `--out`",
                ) from error
        if deadline is None:
            deadline = time.monotonic() + PATIENCE_S
            waiting.say(f"`{directory}` is being written by {holder}: waiting for it, at most {PATIENCE_S:g} s")
        waiting.check_stop()
        time.sleep(_LOOK_S)
    try:
        own = Holder(pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).isoformat(timespec="seconds"))
        write_atomic(directory / LOCK_HOLDER, own.model_dump_json().encode())
        yield
    finally:
        # The lock file itself stays: unlinking a locked file would let two writers lock two different inodes.
        (directory / LOCK_HOLDER).unlink(missing_ok=True)
        lock.release()


def read_holder(directory: Path) -> Holder | None:
    """Who has the lock, or had it when it was killed; None where nobody says so. Takes no lock."""
    try:
        return Holder.model_validate_json(read_regular(directory / LOCK_HOLDER, most_bytes=MOST_JSON_BYTES))
    except (OSError, ValidationError):
        return None
