"""DeepSpeed's host file: a line `host slots=N` for each host."""

import re
from pathlib import Path

from rilctl.errors import UsageError

_LINE = re.compile(r"(?P<host>\S+)\s+slots=(?P<slots>[1-9]\d*)\s*(#.*)?")


def read_hostfile(path: Path) -> dict[str, int]:
    """GPUs by host.

    Raises:
        UsageError: the file can't be read, is empty, or has a line of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the host file {path} can't be read: {reason}", hint="write `host slots=N` lines") from error
    hosts: dict[str, int] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or found["host"] in hosts:
            problem = "is not `host slots=N`" if found is None else f"names {found['host']} again"
            raise UsageError(f"{path}, line {number}: `{line}` {problem}", hint="write a line for each host")
        hosts[found["host"]] = int(found["slots"])
    if not hosts:
        raise UsageError(f"the host file {path} names no host", hint="write `host slots=N` lines")
    return hosts


def num_processes(gpus: int | None, hostfile: Path | None) -> int:
    """How many `--gpus` and `--hostfile` ask for, on all hosts. Raises `UsageError`."""
    if hostfile is None:
        return gpus or 1
    hosts = read_hostfile(hostfile)
    return gpus * len(hosts) if gpus else sum(hosts.values())
