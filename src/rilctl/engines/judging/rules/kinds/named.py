"""A value for each of several names that the question has: `period 4π, amplitude 3`, in whatever order."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.formula import read_formula
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.read.clauses import stem, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.statements import split_statements

_JOINT = re.compile(r"[,;]\s+(?:and\s+)?|\s+and\s+|\n+")
_PART = re.compile(
    r"\W{0,4}(?:(?:so|thus|then|the|its|a|an|with)\s+)*(?P<name>[A-Za-z]{4,20})\*{0,2}\s*(?:(?:is|are|equals|of)\s|[:=]\s?|\s)\s*(?P<value>[^A-Za-z\s][^:]{0,80}|\\.{1,80})",
    re.IGNORECASE | re.DOTALL,
)
_MIN = 2


class NamedKind(Kind):
    """Values by name as answers.

    A value is a mapping from stems of names to numbers or formulas.

    Args:
        names: stems of those that the ground truth has.
        question: its own words doubt nothing.
    """

    name = "values by name"
    many_lines = True

    def __init__(self, names: frozenset[str], question: str = "") -> None:
        self._names, self._question = names, question
        self._number = NumberKind()

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        found = read_named(text)
        if found is None or found.keys() != self._names or is_doubted(text, self._question):
            return None
        return found

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        return SEVERAL if read_named(sentence) is not None and is_doubted(sentence, self._question) else None

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return one.keys() == other.keys() and all(self._number.fits(value, other[name]) for name, value in one.items())


def read_named(text: str) -> dict[str, Any] | None:
    """The values by the stem of their name of a text that is nothing else; None of another one, or where two differ."""
    found: dict[str, Any] = {}
    number = NumberKind()
    for part in (part for statement in split_statements(text) for part in _JOINT.split(statement) if part.strip()):
        match = _PART.fullmatch(part.strip())
        written = match["value"].rstrip(". ").rpartition("=")[2].strip(" $*") if match else ""
        value = number.whole(written) if written else None
        value = read_formula(written) if value is None and written else value
        if match is None or value is None:
            return None
        name = stem(match["name"].casefold())
        if name in found and not number.same(found[name], value):
            return None
        found[name] = value
    return found or None


def asked_by_name(text: str, question: str) -> dict[str, Any] | None:
    """The values by name of a ground truth whose names all are the question's; else None."""
    found = read_named(text)
    return found if found is not None and len(found) >= _MIN and found.keys() <= stems(question) else None
