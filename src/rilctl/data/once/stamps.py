"""Whether a file is the one that it was, without reading it."""

import os
import time
from typing import NamedTuple

YOUNG_NS = 2_000_000_000
"""A file that was written to so shortly ago may be written to again with the same time: some file systems count in
seconds, FAT in two."""


class Stamp(NamedTuple):
    """What changes when a file is written to or replaced. Its device doesn't count: hosts number mounts differently."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When it was written to, which programs can set back."""
    ctime_ns: int
    """When anything of it was changed, which they can't."""
    inode: int
    """Which file it is."""


NO_FILE = Stamp(-1, -1, -1, -1)
"""Nothing is there, or nothing that may be looked at."""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file by its status."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def find_stamp(path: "str | bytes | os.PathLike[str]") -> Stamp:
    """The stamp of what is at a path now."""
    try:
        return stamp_of(os.stat(path))
    except (OSError, ValueError):
        return NO_FILE


def is_settled(stamp: Stamp, now_ns: int | None = None) -> bool:
    """Whether a change from now on would give another stamp."""
    now_ns = time.time_ns() if now_ns is None else now_ns
    return now_ns - max(stamp.mtime_ns, stamp.ctime_ns) > YOUNG_NS
