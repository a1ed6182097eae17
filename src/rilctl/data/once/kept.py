"""Where a command keeps what it finds out about data sets, and how it gets a file there."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

_LOOK_S = 0.2
_LEFTOVER_S = 24 * 3600
_NO_ROOM = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR)
TEMPORARY = ".tmp-"
"""How the names of files begin that are being written."""


def _say_nothing(text: str) -> None:
    """See `Kept`."""


def _go_on() -> None:
    """See `Kept`."""


@dataclass(frozen=True)
class Kept:
    """A folder that may vanish at any time: all in it is found out again when it is missed.

    Args:
        folder: where; made when it is needed.
        writes: whether anything is put there; a plan only reads.
        say: told what takes long.
        warn: told what can't be used or kept.
        check_stop: called often while another process is waited for; what it raises ends the wait.
    """

    folder: Path
    writes: bool = True
    say: Callable[[str], object] = _say_nothing
    warn: Callable[[str], object] = _say_nothing
    check_stop: Callable[[], object] = _go_on
    opened: dict[str, Any] = field(default_factory=dict, compare=False)
    """What this process has open of it, by name."""
    _told: set[int] = field(default_factory=set, compare=False)

    @contextmanager
    def alone(self, name: str, what: str) -> Iterator[None]:
        """Of several processes that ask for this name, one at a time.

        One that is killed lets the next one in. Where the disk knows no locks nobody waits, and each does the work.

        Args:
            name: of the lock.
            what: the other process does, for people.
        """
        from filelock import FileLock, Timeout  # here, because it is slow to import

        self.folder.mkdir(parents=True, exist_ok=True)
        lock, is_said = FileLock(self.folder / f"{name}.lock", timeout=0), False
        while True:
            try:
                lock.acquire()
                break
            except NotImplementedError:
                break
            except Timeout:
                if not is_said:
                    self.say(f"another process {what}: waiting for it")
                is_said = True
                self.check_stop()
                time.sleep(_LOOK_S)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Nothing is kept where the folder can't be written, or has no room; that is told, and ends no command."""
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            if error.errno not in self._told:
                self._told.add(error.errno)
                self.warn(
                    f"`{self.folder}` can't be written ({(error.strerror or str(error)).lower()}): nothing is kept"
                )

    @contextmanager
    def temporary(self, suffix: str) -> Iterator[Path]:
        """A name that no other process has, for a file or folder that gets another one when it is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        path = self.folder / f"{TEMPORARY}{uuid4().hex}{suffix}"
        try:
            yield path
        finally:
            remove(path)

    def _sweep(self) -> None:
        """Remove what killed processes left, a day later: nobody is at it any more."""
        for path in self.folder.glob(f"{TEMPORARY}*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_S:
                    remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder of files, which another process may be removing as well."""
    with suppress(OSError):
        for each in path.iterdir() if path.is_dir() else ():
            each.unlink(missing_ok=True)
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """sha256 of a file, which needn't fit the memory."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
