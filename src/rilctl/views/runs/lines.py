"""Lines of a file that another process appends to, and now and then cuts back."""

from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import open_regular

_REMEMBERED_BYTES = 4096


class Lines:
    """Hands out each whole line once.

    A resumed run cuts its logs back to its checkpoint and goes on from there; that is seen by what stands before the
    place where reading stopped.

    Args:
        path: of the file; it needn't be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._before = b""

    def read(self) -> tuple[list[bytes], bool]:
        """The lines since the last call, and whether all of those before no longer count.

        A last line without its end is still being written, or was cut short by a kill: it is left out.

        Raises:
            OSError: the file is there and can't be read.
        """
        try:
            with open_regular(self.path) as file:
                file.seek(self._offset - len(self._before))
                data = file.read()
                starts_over = not data.startswith(self._before)
                if starts_over:
                    file.seek(0)
                    data = file.read()
                else:
                    data = data[len(self._before) :]
        except FileNotFoundError:
            starts_over, data = self._offset > 0, b""
        if starts_over:
            self._offset, self._before = 0, b""
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._before = (self._before + whole)[-_REMEMBERED_BYTES:]
        return whole.splitlines(), starts_over


def last_lines(path: Path, most_bytes: int) -> list[bytes]:
    """The whole lines at the end of a file, none where it isn't there. Raises `OSError` where it can't be read.

    Args:
        path: of the file.
        most_bytes: so much of it is read.
    """
    try:
        with open_regular(path) as file:
            size_bytes = file.seek(0, 2)
            start = max(0, size_bytes - most_bytes)
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return []
    if start:
        data = data[data.find(b"\n") + 1 :]
    return data[: data.rfind(b"\n") + 1].splitlines()


def whole_lines(path: Path) -> Iterator[bytes]:
    """All whole lines, one in memory at a time. Raises `OSError` where the file can't be read."""
    with open_regular(path) as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line[:-1]
