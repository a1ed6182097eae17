"""JSON Lines and JSON lists. A malformed line is a bad row. A line can be read again, so inline images needn't stay."""

import codecs
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rilctl.data.strict_json import find_repeated, load_marked
from rilctl.errors import DataError, RowError


@dataclass(frozen=True)
class Line:
    """One JSON object of a file.

    Args:
        name: file and line, or file and index.
        value: the object, or why there is none.
        fetch: gives the object again, without holding it where the file can be read at its place.
    """

    name: str
    value: Mapping[str, object] | RowError
    fetch: Callable[[], Mapping[str, object]]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise `DataError`, which names the file, where the operating system can't read it."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path} can't be read: {(error.strerror or str(error)).lower()}", hint="check its permissions and the disk"
        ) from error


def read_lines(path: Path) -> Iterator[Line]:
    """The objects of a JSON Lines file; blank lines are skipped."""
    offset = 0
    with reading(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                name = f"{path.name}:{number}"
                yield Line(name, _parse(line, name), partial(_read_again, path, offset, name))
            offset += len(line)


def read_list_or_lines(path: Path) -> Iterator[Line]:
    """The objects of a file that is a JSON list or JSON Lines, whatever its name.

    Raises:
        DataError: a list that is no JSON: nothing in it can be told apart.
    """
    with reading(path), path.open("rb") as file:
        start = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip()
    if not start.startswith(b"["):
        yield from read_lines(path)
        return
    try:
        with reading(path):
            values = load_marked(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not a JSON list: {error}", hint="one JSON object on each line is read as well"
        ) from error
    for index, value in enumerate(values):
        name = f"{path.name}[{index}]"
        entry = _object(value, name)
        yield Line(name, entry, partial(_whole, entry))


def _read_again(path: Path, offset: int, name: str) -> Mapping[str, object]:
    with reading(path), path.open("rb") as file:
        file.seek(offset)
        return _whole(_parse(file.readline(), name))


def _whole(value: Mapping[str, object] | RowError) -> Mapping[str, object]:
    if isinstance(value, RowError):
        raise value
    return value


def _parse(line: bytes, name: str) -> Mapping[str, object] | RowError:
    try:
        return _object(load_marked(line), name)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number without end, nested without end
        return RowError("json-invalid", f"{name}: {error}")


def _object(value: object, name: str) -> Mapping[str, object] | RowError:
    if isinstance(value, dict):
        return value
    if repeated := find_repeated(value):
        return RowError("json-invalid", f"{name}: {repeated}")
    return RowError("json-invalid", f"{name}: a row must be an object, found {type(value).__name__}")
