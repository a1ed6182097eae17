"""Drives shim.c: compiles it, and says at which operation of which processes something happens.

The structure below is `struct control` of shim.c, and the kinds of operations are in its order.
"""

import ctypes
import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_PATH_MAX = 4096
_RECORD = struct.Struct("<iiqqii")

ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES)


class Kind(IntEnum):
    """What an operation does to a file."""

    OPEN, WRITE, SYNC, RENAME, UNLINK, RMDIR, MKDIR, TRUNCATE, LINK, SYMLINK, CHMOD = range(11)


class Mode(IntEnum):
    """What happens at the chosen operation: nothing, dying before it, dying in its middle or after it, its failure."""

    NOTHING, KILL, TEAR, FAIL = range(4)


@dataclass(frozen=True)
class Fault:
    """Something that happens once.

    Args:
        at: the operation, counted from 1 over all processes.
        mode: what.
        error: for `FAIL`, which one; a disk that is full (ENOSPC) stays full until the processes have ended.
    """

    at: int = 0
    mode: Mode = Mode.NOTHING
    error: int = 0


@dataclass(frozen=True)
class Operation:
    """One line of a log: what was done.

    Args:
        kind: of it.
        path: of the file or folder, below the root of the log, which is an empty name itself.
        other: a rename's or link's other name, likewise.
        flags: of an `OPEN`.
        offset: where a `WRITE` begins; the size that a `TRUNCATE` leaves.
        data: a `WRITE`'s bytes.
    """

    kind: Kind
    path: str
    other: str
    flags: int
    offset: int
    data: bytes


class _Control(ctypes.Structure):
    _fields_ = [
        ("count", ctypes.c_int64),
        ("at", ctypes.c_int64),
        ("mode", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("hit_kind", ctypes.c_int32),
        ("is_full", ctypes.c_int32),
        ("root", ctypes.c_char * _PATH_MAX),
        ("log", ctypes.c_char * _PATH_MAX),
        ("hit_path", ctypes.c_char * _PATH_MAX),
    ]


def why_not() -> str | None:
    """Why there can be no shim here; None: there can."""
    if sys.platform != "linux":
        return "the shim is preloaded as on Linux"
    return None if _compiler() else "there is no C compiler (CC, cc or gcc)"


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")


class Shim:
    """The compiled library and the memory that it shares with the processes under test.

    Args:
        folder: where both are put.

    Raises:
        CalledProcessError: it doesn't compile.
    """

    def __init__(self, folder: Path) -> None:
        compiler = _compiler()
        assert compiler is not None, why_not()
        library, block = folder / f"shim{sysconfig.get_config_var('SHLIB_SUFFIX')}", folder / "control"
        source = Path(__file__).with_name("shim.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source, "-ldl"], check=True)
        block.write_bytes(bytes(ctypes.sizeof(_Control)))
        with block.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._memory)
        self.environment = {"LD_PRELOAD": str(library), "RILCTL_TEST_SHIM": str(block)}
        """For the processes under test."""

    def arm(self, root: Path, fault: Fault, *, log: Path | None = None) -> None:
        """From here on count, and do as the fault says.

        Args:
            root: what counts lies below it.
            fault: what happens where.
            log: keep all operations with their bytes in this file.
        """
        self._control.root = b""
        self._control.count, self._control.at, self._control.mode = 0, fault.at, fault.mode
        self._control.error, self._control.hit_kind, self._control.is_full = fault.error, -1, 0
        self._control.log = b"" if log is None else os.fsencode(log)
        self._root = root.resolve()
        self._control.root = os.fsencode(self._root)

    def disarm(self) -> None:
        """Nothing counts any more."""
        self._control.root = b""

    @property
    def num_operations(self) -> int:
        """How many there were since `arm`."""
        return int(self._control.count)

    @property
    def hit(self) -> str | None:
        """What the fault met: kind and path; None: the processes ended before."""
        if self._control.hit_kind < 0:
            return None
        path = os.fsdecode(self._control.hit_path).removeprefix(f"{self._root}/")
        return f"{Kind(self._control.hit_kind).name.lower()} {path}"


def read_log(log: Path, root: Path) -> Iterator[Operation]:
    """The operations of a log, in order, with names below the root that was counted."""
    data, at, start = log.read_bytes(), 0, str(root.resolve())
    while at < len(data):
        kind, flags, offset, num_bytes, path_length, other_length = _RECORD.unpack_from(data, at)
        ends = (at := at + _RECORD.size), at + path_length, at + path_length + other_length
        path, other = (os.fsdecode(part) for part in (data[ends[0] : ends[1]], data[ends[1] : ends[2]]))
        at = ends[2] + num_bytes
        names = (name.removeprefix(start).removeprefix("/") for name in (path, other))
        yield Operation(Kind(kind), *names, flags, offset, data[ends[2] : at])
