"""What every source hands on: raw rows, and where they came from."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from rilctl.config.data import ColumnsConfig
from rilctl.config.suggest import nearest, nearest_file
from rilctl.data.drawing import Drawn
from rilctl.errors import DataError, RowError


@dataclass(frozen=True)
class Shown:
    """A picture where it stands in a turn, as the source names it."""

    cell: object


@dataclass(frozen=True)
class RawTurn:
    """What one side said: texts and pictures, as the source holds them."""

    role: str
    parts: tuple[str | Shown, ...]


@dataclass(frozen=True)
class RawRow:
    """One row as the source holds it, or why it can't be read.

    Args:
        name: how a person finds it again, such as `train.jsonl:12`.
        fields: column name to value; a lazy image is a function that gives its bytes.
        turns: of a conversation: what was said, last the question; nothing where the question is a field.
        is_numbered: the id is the conversation's place in the file, since it has none of its own.
        known_as: the id to record where the fields can't be read; empty: the name.
    """

    name: str
    fields: Mapping[str, object] | RowError
    turns: tuple[RawTurn, ...] = ()
    is_numbered: bool = False
    known_as: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of one source, or some of them.

    Args:
        name: where they come from, for lineage and rejected rows.
        rows: read once, in a fixed order.
        columns: which field holds what.
        image_roots: folders that image paths may lie in; relative ones start from the first.
        text_only_rows: whether a row may be without an image, though others have some.
        drawn: which of the source's rows, or conversations, these are; None: all.
    """

    name: str
    rows: Iterable[RawRow]
    columns: ColumnsConfig
    image_roots: tuple[Path, ...] = ()
    text_only_rows: bool = False
    drawn: Drawn | None = None

    def numbered(self) -> Iterator[tuple[int, RawRow]]:
        """The rows, each with its number in the source from 0; of conversations, which have their own, any."""
        numbers = chain(self.drawn.numbers, count(self.drawn.num_rows)) if self.drawn else count()
        return zip(numbers, self.rows, strict=False)


def existing(path: str, base_dir: Path, *, folder: bool = False) -> Path:
    """The absolute path of a file or folder that must be there.

    Raises:
        DataError: it is missing or of the other kind; names the most similar neighbour.
    """
    found = absolute(path, base_dir)
    kind = "folder" if folder else "file"
    if os.path.isdir(found) if folder else os.path.isfile(found):  # unlike `Path`'s, these never raise
        if not os.access(found, os.R_OK):
            raise DataError(f"{found} may not be read", hint="its permissions forbid it")
        return found
    if os.path.exists(found):
        raise DataError(
            f"{found} is not a {kind}", hint="data.type says what is read: `hub`, `parquet`, `jsonl`, `folder`, …"
        )
    neighbours = os.listdir(found.parent) if os.access(found.parent, os.R_OK) and found.parent.is_dir() else []
    where = f"no {kind} at {found}" if neighbours else f"no {kind} at {found}: {found.parent} is missing or empty"
    close = nearest_file(found, map(Path, neighbours))
    raise DataError(
        where, hint=f"did you mean `{close}`?" if close else "a relative path starts from the current directory"
    )


def absolute(path: str, base_dir: Path) -> Path:
    """The path without `~`, `.` and `..`; symbolic links stay."""
    return Path(os.path.abspath(base_dir / os.path.expanduser(path)))


def check_columns(columns: ColumnsConfig, found: Iterable[str], where: str) -> None:
    """See that a table has the columns that it must have.

    Raises:
        DataError: a column is nowhere in the table; names those that are, and the most similar one.
    """
    names = list(found)
    of_tables = ("id", "images", "question", "answer", "response", "choices")
    for role in ("id", "images", "messages") if columns.messages else of_tables:
        wanted = getattr(columns, role)
        if not wanted or wanted in names or (role, wanted) == ("id", "id"):
            continue
        shown = ", ".join(f"`{name}`" for name in names[:20]) or "none"
        advice = f"set data.columns.{role}{' (or empty for text only)' if role == 'images' else ''}"
        guess = closest(wanted, names)
        raise DataError(f"{where}: no column `{wanted}`; found {shown}", hint=f"{guess} {advice}" if guess else advice)


def closest(name: str, options: Iterable[str]) -> str | None:
    """A did-you-mean question, or None where nothing is similar."""
    similar = nearest(name, options)
    return f"did you mean `{similar}`?" if similar else None
