"""JSON Lines and JSON lists. A malformed line is a bad row. A line can be read again, so inline images needn't stay."""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rilctl.data.drawing import Drawn, draw
from rilctl.data.sources.places import Places, line_places, list_places
from rilctl.data.strict_json import find_repeated, load_marked
from rilctl.errors import DataError, RowError

_LARGE_BYTES = 1 << 25
"""Of a JSON list: one of so many isn't read at once, since its values would take ten times as much memory."""


@dataclass(frozen=True)
class Line:
    """One JSON object of a file.

    Args:
        index: its place among the file's objects, from 0.
        name: file and line, or file and index.
        value: the object, or why there is none.
        fetch: gives the object again, without holding it where the file can be read at its place.
    """

    index: int
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
    offset = index = 0
    with reading(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                name = f"{path.name}:{number}"
                yield Line(index, name, _parse(line, name), partial(_read_again, path, offset, name))
                index += 1
            offset += len(line)


@dataclass(frozen=True)
class Objects:
    """The objects of a file.

    Args:
        lines: each with its place; read once.
        drawn: which they are; None: all.
    """

    lines: Iterator[Line]
    drawn: Drawn | None


def open_objects(path: Path, most_rows: int | None = None) -> Objects:
    """The objects of a JSON list or JSON Lines, or some of them.

    Args:
        path: the file, whatever its name.
        most_rows: see `draw`.

    Raises:
        DataError: it can't be read.
    """
    with reading(path):
        if most_rows is None or path.stat().st_size <= most_rows * len('{"":""},\n'):
            return Objects(read_list_or_lines(path), None)
        is_list = _is_list(path)
        places = list_places(path) if is_list else line_places(path)
    drawn = draw(len(places.starts), most_rows)
    if drawn is None:
        return Objects(read_list_or_lines(path), None)
    return Objects(_read_at(path, drawn.numbers, places, "{}[{}]" if is_list else "{}:{}"), drawn)


def _read_at(path: Path, numbers: Sequence[int], places: Places, form: str) -> Iterator[Line]:
    with reading(path), path.open("rb") as file:
        for index in numbers:
            start, end = int(places.starts[index]), int(places.ends[index])
            name = form.format(path.name, places.numbers[index])
            file.seek(start)
            value = _parse(file.read(end - start), name)
            yield Line(index, name, value, partial(_read_again, path, start, name, end - start))


def read_list_or_lines(path: Path) -> Iterator[Line]:
    """The objects of a file that is a JSON list or JSON Lines, whatever its name.

    Raises:
        DataError: a list that is no JSON: nothing in it can be told apart.
    """
    if not _is_list(path):
        yield from read_lines(path)
        return
    with reading(path):
        is_large = path.stat().st_size >= _LARGE_BYTES
    if is_large:
        with reading(path):
            places = list_places(path)
        yield from _read_at(path, range(len(places.starts)), places, "{}[{}]")
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
        yield Line(index, name, entry, partial(_whole, entry))


def _is_list(path: Path) -> bool:
    with reading(path), path.open("rb") as file:
        return file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _read_again(path: Path, offset: int, name: str, num_bytes: int | None = None) -> Mapping[str, object]:
    with reading(path), path.open("rb") as file:
        file.seek(offset)
        return _whole(_parse(file.readline() if num_bytes is None else file.read(num_bytes), name))


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
