"""JSON Lines of which each holds its own digest: for scratch that is appended to and read after a kill."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import read_regular
from rilctl.artifacts.sealed import unreadable
from rilctl.errors import ArtifactError

_HEAD, _MIDDLE, _END = b'{"sha256":"', b'","value":', b"}\n"
_START = len(_HEAD) + 64 + len(_MIDDLE)


def sealed_line(value: str) -> str:
    """A line with a digest of its value, which is JSON without line ends."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"{_HEAD.decode()}{digest}{_MIDDLE.decode()}{value}{_END.decode()}"


def read_sealed_lines(path: Path) -> Iterator[str]:
    """The values of a file's lines, in order; a last one that a kill cut short is left out.

    Raises:
        ArtifactError: the file can't be read, or a line isn't as it was written.
    """
    hint = f"delete `{path}` and run the same command again: what it held is asked again"
    try:
        data = read_regular(path)
    except OSError as error:
        raise unreadable(path, error, hint=hint) from error
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        value = line[_START : -len(_END)]
        if line != sealed_line(value.decode(errors="replace")).encode():
            raise ArtifactError(f"`{path}`, line {number} is not as it was written", hint=hint)
        yield value.decode()
