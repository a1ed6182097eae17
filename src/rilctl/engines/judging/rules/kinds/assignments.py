"""Solutions of systems, a value for each of several unknowns: `x = 7, y = 3` and `(x, y) = (7, 3)`."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.mathematics import typed
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.read.accounted import is_accounted, takes_back
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.statements import split_statements

_NAME = r"[A-Za-zαβγθλμ](?:_?\{?[0-9]\}?)?"
_VALUE = r"[-+]?\s?[0-9√π\\(][0-9a-z√π\\{}()./*^ +-]{0,40}?"
_EQUATION = re.compile(
    rf"(?<![\w)}}\]^+*/=-])(?<![+*/=-]\s)({_NAME})\s?((?:=\s?{_VALUE}\s?)+)(?=$|[,;.)]?\s*$|[,;]|\.\s|\s(?:and|is|are|so|which|that)\b|:\s|\$)"
)
_TUPLE = re.compile(
    rf"\(\s?({_NAME}(?:\s?,\s?{_NAME})+)\s?\)\s?=\s?[(]\s?({_VALUE}(?:\s?,\s?{_VALUE})+?)\s?[)](?!\s?(?:and|or|,)\s?\()"
)
_POINT = re.compile(rf"\(\s?({_VALUE}(?:\s?,\s?{_VALUE})+?)\s?\)")
_JOINTS = re.compile(r"[\s,;.:${}()&]*|(?:and|und|et|y|e)")
_MIN = 2


class AssignmentsKind(Kind):
    """Values of several unknowns as answers, by name.

    A value is a mapping from names to numbers.

    Args:
        names: of the unknowns.
        question: its own words doubt nothing.
    """

    name = "solution"

    def __init__(self, names: frozenset[str], question: str = "") -> None:
        self._names, self._question = names, question
        self._number = NumberKind()

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        statements = split_statements(text)
        if len(statements) > 1:
            return self._one_by_one(statements)
        text = typed(text).strip(" \t\n$")
        point = _POINT.fullmatch(text.rstrip("."))
        if point and self._is_alphabetical():
            return self._values(sorted(self._names), point[1].split(","))
        left = _EQUATION.sub("\0", _TUPLE.sub("\0", text)).split("\0")
        value = self._read(text) if len(left) > 1 and all(map(_is_joint, left)) else None
        return None if value is SEVERAL else value

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = typed(sentence[-1000:])
        found = self._read(text)
        if found is None or found is SEVERAL:
            return found
        return SEVERAL if is_doubted(text, self._question, compared=True) else found

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return one.keys() == other.keys() and all(self._number.same(value, other[name]) for name, value in one.items())

    def _one_by_one(self, statements: list[str]) -> dict[str, Any] | None:
        """The values of all unknowns where sentences give each of them: `So $y=-3$. Then $x=2$`."""
        read = {text: self._values_in(text) for text in map(typed, statements)}
        found: dict[str, Any] = {}
        for text, values in read.items():
            if values is None or (values and not is_accounted(text, self._question, free=True)) or takes_back(text):
                return None
            for name, value in values.items():
                if not self._number.same(found.setdefault(name, value), value):
                    return None
        is_doubtful = is_doubted(" ".join(read), self._question, compared=True)
        return found if found.keys() == self._names and not is_doubtful and list(read.values())[-1] else None

    def _read(self, text: str) -> Any:
        """The values of all unknowns; `SEVERAL` where one has two."""
        found = self._values_in(text)
        if not found:
            return None if found is not None else SEVERAL
        return found if found.keys() == self._names else None

    def _values_in(self, text: str) -> dict[str, Any] | None:
        """The values of some unknowns; None where one has two."""
        found: dict[str, Any] = {}
        for match in _TUPLE.finditer(text):
            names = [name.strip() for name in match[1].split(",")]
            values = self._values(names, match[2].split(","))
            if values is None:
                return None
            for name, value in values.items():
                if not self._number.same(found.setdefault(name, value), value):
                    return None
        for match in _EQUATION.finditer(text):
            name, value = _squeezed(match[1]), self._number.whole(match[2].rpartition("=")[2].strip())
            if name not in self._names or value is None:
                continue
            if not self._number.same(found.setdefault(name, value), value):
                return None
        return found

    def _values(self, names: list[str], written: list[str]) -> dict[str, Any] | None:
        values = [self._number.whole(each.strip()) for each in written]
        if len(names) != len(values) or any(value is None for value in values):
            return None
        return {_squeezed(name): value for name, value in zip(names, values, strict=True)}

    def _is_alphabetical(self) -> bool:
        """Whether a point's coordinates stand for the unknowns in an order that everybody takes."""
        return "".join(sorted(self._names)) in ("xy", "xyz", "ab", "abc")


def read_assignments(text: str) -> dict[str, str]:
    """The values, as they are written, of a (plain) text that gives several unknowns one each; else empty."""
    text = typed(text).strip(" $.")
    tupled = _TUPLE.fullmatch(text)
    if tupled:
        return dict(zip(map(_squeezed, tupled[1].split(",")), tupled[2].split(","), strict=False))
    found = {_squeezed(match[1]): match[2].rpartition("=")[2] for match in _EQUATION.finditer(text)}
    is_all = all(map(_is_joint, _EQUATION.sub("\0", text).split("\0")))
    return found if len(found) >= _MIN and is_all and len(found) == len(_EQUATION.findall(text)) else {}


def _is_joint(text: str) -> bool:
    """Whether what stands between two equations only joins them."""
    return _JOINTS.fullmatch(text.strip(" ,;.:$")) is not None


def _squeezed(name: str) -> str:
    return name.strip().replace("_", "").strip("{}").replace("{", "").replace("}", "")
