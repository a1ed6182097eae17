"""Which file system a path lies on, as far as that decides how SQLite may work there (Linux only)."""

import re
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_NETWORK = re.compile(r"nfs4?|cifs|smb3|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|fuse(\..+)?|virtiofs")
"""Of several hosts, or of a program that may be; memory can't be shared over them."""
_WITHOUT_LOCKS = re.compile(r"nolock|nobrl|local_lock=(all|posix)|localflock")
"""Options with which another host doesn't see this one's locks."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Args:
        point: where.
        kind: its type, `ext4` say.
        options: of the mount and of the file system.
    """

    point: Path
    kind: str
    options: tuple[str, ...]

    @property
    def may_be_shared(self) -> bool:
        """Whether other hosts may see it."""
        return _NETWORK.fullmatch(self.kind) is not None

    @property
    def lacks_locks(self) -> bool:
        """Whether other hosts may see it, but not who has locked what."""
        return self.kind == "fuse.sshfs" or (
            self.may_be_shared and any(_WITHOUT_LOCKS.fullmatch(option) for option in self.options)
        )


def mount_of(path: Path, table: Path = _TABLE) -> Mount | None:
    """The file system that a path, which may not exist yet, lies on; None where nobody says, as on other systems.

    Args:
        path: what is asked for.
        table: the kernel's list, in the form of proc(5).
    """
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    where, found = path.resolve(), None
    for line in lines:
        fields, _, about = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields.split()[4]))
        # Of two at one place, the later one is on top.
        if where.is_relative_to(point) and (found is None or point.is_relative_to(found.point)):
            kind, _, rest = about.partition(" ")
            options = ",".join([fields.split()[5], rest.rpartition(" ")[2]])
            found = Mount(point, kind, tuple(options.split(",")))
    return found
