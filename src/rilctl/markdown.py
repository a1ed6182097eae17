"""Tables in Markdown."""

import re
from collections.abc import Iterable, Sequence

_BARE_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")
"""One that ends a cell: none, or an even number of backslashes stands before it."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None) -> str:
    """A table, with a line feed at its end; nothing where there are no rows.

    Args:
        header: what stands above each column.
        rows: as many cells each, in Markdown. A line feed becomes a space, and a pipe is escaped unless it is already,
            so that what somebody else wrote begins no other cell or line.
        numbers_from: the first of the columns, from 0, that stand right-aligned to the last one; None: no column does.
    """
    left = len(header) if numbers_from is None else numbers_from
    lines = [*rows]
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "".join(map(_line, (header, rule, *lines))) if lines else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _cell(text: str) -> str:
    return _BARE_PIPE.sub(r"\1\\|", " ".join(text.split()))
