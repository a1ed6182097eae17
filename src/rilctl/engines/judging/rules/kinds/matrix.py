"""Matrices: `[[1, 2], [3, 4]]`, and the same in LaTeX."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.read.doubts import is_doubted

_LATEX = re.compile(r"\\begin\s?\{([pbB]?matrix|array)\}(?:\{[lcr|]+\})?(.{1,400}?)\\end\s?\{\1\}", re.DOTALL)
_NESTED = re.compile(r"\[\s?(?:\[[^\[\]]{1,120}\]\s?[,;]?\s?){2,10}\]|\(\s?(?:\([^()]{1,120}\)\s?[,;]?\s?){2,10}\)")
_ROW = re.compile(r"[\[(]([^\[\]()]{1,120})[\])]")
_ROW_END = re.compile(r"\\\\(?:\[[^\]]{0,9}\])?|\\cr\b")
_BRACKETS = re.compile(r"\\(?:left|right)\s?[()\[\]]")
_NAME = re.compile(r"(?:[A-Za-z](?:\^\{?(?:-1|T|t|\\top|[0-9])\}?)?\$?\s?=)?")
_CALCULATED = re.compile(r"[-+*/^0-9)}]\s{0,2}\$?\0|[A-Za-z]\0|\0\$?\s?[-+*/^(]")
"""A matrix that something is still done to."""
_MIN = 2


class MatrixKind(Kind):
    """Matrices of numbers as answers.

    A value is a tuple of rows.

    Args:
        question: its own matrices are no answers beside another, and its own words doubt nothing.
    """

    name = "matrix"
    many_lines = True

    def __init__(self, question: str = "") -> None:
        self._question = question
        self._number = NumberKind()
        self._given = self._found(question)[0] if "[" in question or "matrix" in question else []

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        found, around = self._found(text)
        is_alone = _NAME.fullmatch(around.replace("\0", "").strip(" \t\n$.,;\\[]")) is not None
        return found[0] if len(found) == 1 and is_alone else None

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        found, around = self._found(sentence[-1000:])
        own = [each for each in found if not any(self.same(each, given) for given in self._given)] or found
        if not own:
            return None
        if _CALCULATED.search(around):
            return SEVERAL
        is_one = all(self.same(own[0], other) for other in own)
        return own[0] if is_one and not is_doubted(around, self._question) else SEVERAL

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return [len(row) for row in one] == [len(row) for row in other] and all(
            self._number.same(a, b) for rows in zip(one, other, strict=True) for a, b in zip(*rows, strict=True)
        )

    def _found(self, text: str) -> tuple[list[Any], str]:
        """The matrices of a (tidy) text, and what stands around them."""
        text = _BRACKETS.sub(" ", text) if "matrix" in text or "array" in text else text
        written = [
            [row.split("&") for row in _ROW_END.split(match[2]) if row.strip()] for match in _LATEX.finditer(text)
        ]
        text = _LATEX.sub("\0", text)
        written += [
            [re.split(r"[,;]", row) for row in _ROW.findall(match[0][1:-1])] for match in _NESTED.finditer(text)
        ]
        read = [tuple(tuple(self._number.whole(each.strip()) for each in row) for row in rows) for rows in written]
        found = [
            rows
            for rows in read
            if len(rows) >= _MIN
            and len({len(row) for row in rows}) == 1
            and len(rows[0]) >= _MIN
            and all(each is not None for row in rows for each in row)
        ]
        return found, _NESTED.sub("\0", text)
