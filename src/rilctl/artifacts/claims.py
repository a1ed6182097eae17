"""Which answers processes are asking for now, so that no two of them pay for one.

A claim is a lock on one byte of a file that stays empty. It ends with the process that has it, however that ends, and
other hosts see it wherever SQLite's locks work.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

_DIGITS = 15
"""Of a key: as many as fit an offset in a file."""


class Claims:
    """Those of this process.

    Args:
        path: the file, made when something is claimed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, keys: Iterable[str]) -> set[str]:
        """Claim those of the keys, sha256 each, that no other process has claimed.

        Raises:
            OSError: the file can't be made; where it is another user's, all are taken, and nobody knows.
        """
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            return {*keys}
        taken = set()
        for key in keys:
            with contextlib.suppress(BlockingIOError, PermissionError):  # POSIX lets a system say either
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(key[:_DIGITS], 16))
                taken.add(key)
        return taken

    def give_back(self, keys: Iterable[str]) -> None:
        """Claim these keys no more."""
        if self._descriptor is not None:
            for key in keys:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, int(key[:_DIGITS], 16))

    def release(self) -> None:
        """Give all of them back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
