r"""Sets of real numbers: `[2, \infty)` and `x ≥ 2`, `-3 < x < 5`, `x < 1 or x > 3`, `x ≠ 0`."""

import re
from dataclasses import dataclass
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.mathematics import typed
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.kinds.quantity import Quantity
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONCLUSION

_ROOT = r"(?:√\(?[0-9]{1,6}\)?|\\sqrt\s?\{?[0-9]{1,6}\}?|π)"
_END = (
    rf"[-+]?\s?(?:∞|[0-9]{{1,9}}(?:[.,][0-9]{{1,9}})?\s?{_ROOT}?(?:\s?/\s?[0-9]{{1,6}})?"
    rf"|{_ROOT}(?:\s?/\s?[0-9]{{1,6}})?)"
)
_NAME = r"(?:[a-zA-Zθλ](?:\s?\([a-z]\))?)"
_INTERVAL = rf"[\[(\]]\s?{_END}\s?[,;]\s?{_END}\s?[\])\[]"
_RELATION = (
    rf"{_END}\s?[<≤]\s?{_NAME}\s?[<≤]\s?{_END}|{_END}\s?[>≥]\s?{_NAME}\s?[>≥]\s?{_END}"
    rf"|{_NAME}\s?[<>≤≥≠]\s?{_END}|{_END}\s?[<>≤≥]\s?{_NAME}"
)
_HOLE = rf"(?:{_NAME}\s?∈\s?)?R\s?[-\\]\s?\{{\s?{_END}(?:\s?,\s?{_END})*\s?\}}"
_PART = rf"(?:(?:{_NAME}\s?∈\s?)?{_INTERVAL}|{_HOLE}|{_RELATION})"
_REGION = re.compile(
    rf"(?<![\w)∞|}}*/^=+√-])(?<![*/^=+-]\s)(?P<all>{_PART}(?:(?:,?\s(?:or|and)\s|\s?∪\s?|\s?,\s){_PART})*)"
    r"(?!\s?[-+*/^=<>≤≥≠(\[∪]|\w|[.,][0-9])"
)
_EACH = re.compile(_PART)
_BOUNDED = re.compile(rf"({_END})\s?([<>≤≥])\s?({_NAME})\s?([<>≤≥])\s?({_END})")
_NAME_FIRST = re.compile(rf"({_NAME})\s?([<>≤≥≠])\s?({_END})")
_END_FIRST = re.compile(rf"({_END})\s?([<>≤≥])\s?({_NAME})")
_BRACKETS = re.compile(rf"(?:({_NAME})\s?∈\s?)?([\[(\]])\s?({_END})\s?[,;]\s?({_END})\s?([\])\[])")
_BUILT = re.compile(rf"\{{\s?(?:{_NAME}(?:\s?∈\s?R)?)\s?[|:]\s?(.{{1,100}})\}}")
_IN_REALS = re.compile(rf"{_NAME}\s?∈\s?R\s?(?:,|with|where|such that|:)\s?", re.IGNORECASE)
_EXCEPT = re.compile(
    rf"\b(?:all |any |every )?(?:the )?(?:real )?(?:numbers?|reals|values?)(?: of {_NAME}"
    rf"| {_NAME})?,? (?:except|other than|but|besides|apart from)"
    rf"(?: (?:for|when|where))? (?:(?P<name>{_NAME})\s?=\s?)?(?P<end>{_END})(?![\w.]*[0-9])",
    re.IGNORECASE,
)
_RESULT = re.compile(r"\bthe (?:solution(?: set)?|answer|result|domain|range|interval) is\b", re.IGNORECASE)
_TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠"}
_ASKS = re.compile(
    r"\b(?:inequalit\w+|intervals?|domain|range|defined|increas\w+|decreas\w+)\b|[<>≤≥]|\\[lg]eq?\b", re.IGNORECASE
)
_ASKS_POINT = re.compile(r"\b(?:vectors?|points?|coordinates?|verte(?:x|ces)|pairs?|lists?)\b", re.IGNORECASE)
_ASKS_RANGE = re.compile(r"\brange\b(?! of (?:\$?x\b|(?:the |possible )?values))", re.IGNORECASE)
_ASKS_DOMAIN = re.compile(r"\bdomain\b|\bdefined\b", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """An interval.

    Args:
        low: the value that it begins with; None where it is unbounded.
        high: the value that it ends with.
        has_low: whether `low` belongs to it.
        has_high: whether `high` does.
    """

    low: Any
    high: Any
    has_low: bool = False
    has_high: bool = False


@dataclass(frozen=True)
class Region:
    """A union of intervals.

    Args:
        parts: in any order.
        names: of the unknown; none where only a set is written.
    """

    parts: tuple[Part, ...]
    names: frozenset[str] = frozenset()


class IntervalKind(Kind):
    """Sets of real numbers as answers.

    Args:
        question: says whether the domain or the range is asked for; its own words doubt nothing.
    """

    name = "interval"

    def __init__(self, question: str = "") -> None:
        self._question = question
        self._number = NumberKind(question)
        asks_range, asks_domain = _ASKS_RANGE.search(question) is not None, _ASKS_DOMAIN.search(question) is not None
        self._other = (
            {"x"} if asks_range and not asks_domain else {"y", "f"} if asks_domain and not asks_range else set()
        )

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = typed(text).strip(" \t\n\"'$").rstrip(".,;: ")
        built = _BUILT.fullmatch(text)
        text = _IN_REALS.sub("", built[1].strip() if built else text)
        excepted = _EXCEPT.fullmatch(text)
        if excepted:
            return self._named(Region(self._around(excepted["end"]), frozenset(excepted["name"] or "")))
        match = _REGION.fullmatch(text)
        value = self._region(match["all"]) if match else None
        return None if value is SEVERAL else value

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = typed(sentence[-1000:]).replace("$", "")
        ends = sorted(match.end() for match in (*CONCLUSION.finditer(text), *_RESULT.finditer(text)))
        for start in (*reversed(ends), 0):
            part = _IN_REALS.sub("", text[start:])
            found = [value for match in _REGION.finditer(part) if (value := self._region(match["all"])) is not None]
            outside = _REGION.sub(" ", part)
            found += [self._named(Region(self._around(match["end"]))) for match in _EXCEPT.finditer(part)]
            outside = _EXCEPT.sub(" ", outside)
            if found:
                is_one = all(
                    value is not SEVERAL and value is not None and self.same(found[0], value) for value in found
                )
                return found[0] if is_one and not is_doubted(outside, self._question) else SEVERAL
        return None

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        if one.names and other.names and one.names != other.names:
            return False
        left = list(other.parts)
        for part in one.parts:
            place = next((i for i, each in enumerate(left) if self._same_part(part, each)), None)
            if place is None:
                return False
            left.pop(place)
        return not left

    def _same_part(self, one: Part, other: Part) -> bool:
        if (one.has_low, one.has_high) != (other.has_low, other.has_high):
            return False
        return all(
            a is b if a is None or b is None else self._number.same(a, b)
            for a, b in ((one.low, other.low), (one.high, other.high))
        )

    def _named(self, region: Region) -> Region | None:
        return None if region.names & self._other else region

    def _region(self, text: str) -> Any:
        parts: list[Part] = []
        names: set[str] = set()
        pieces = [match[0] for match in _EACH.finditer(text)]
        joints = _EACH.sub("", text)
        for piece in pieces:
            read = self._parts(piece)
            if read is None:
                return SEVERAL
            parts += read[0]
            names |= {read[1][0]} if read[1] else set()
        if len(names) > 1:
            return SEVERAL
        if len(pieces) > 1 and ("and" in joints or ("," in joints and "or" not in joints)):
            both = self._intersection(parts) if len(parts) == 2 else None
            if both is None:
                return SEVERAL
            parts = [both]
        return self._named(Region(tuple(parts), frozenset(names)))

    def _parts(self, piece: str) -> tuple[tuple[Part, ...], str] | None:
        if match := _BRACKETS.fullmatch(piece):
            if not _is_spanned(match[3], match[4]):
                return None
            low, high = self._end(match[3]), self._end(match[4])
            part = Part(low, high, match[2] == "[" and low is not None, match[5] == "]" and high is not None)
            return ((part,), match[1] or "") if match[2] != "]" and match[5] != "[" else None
        if match := _BOUNDED.fullmatch(piece):
            low, left, name, right, high = match.groups()
            if left in ">≥":
                low, left, right, high = high, _TURNED[right], _TURNED[left], low
            part = Part(self._end(low), self._end(high), left == "≤", right == "≤")
            is_span = _is_spanned(low, high) and left in "<≤" and right in "<≤"
            return ((part,), name) if is_span and _is_ordered(part) else None
        if match := _NAME_FIRST.fullmatch(piece):
            return self._sided(match[1], match[2], match[3])
        if match := _END_FIRST.fullmatch(piece):
            return self._sided(match[3], _TURNED[match[2]], match[1])
        if "R" in piece:
            held = [each.strip() for each in piece[piece.index("{") + 1 :].strip("} ").split(",")]
            return (self._around(held[0]), piece[: piece.index("R")].strip(" ∈")) if len(held) == 1 else None
        return None

    def _sided(self, name: str, sign: str, end: str) -> tuple[tuple[Part, ...], str] | None:
        value = self._end(end)
        if value is None:
            return None
        if sign == "≠":
            return self._around(end), name
        part = Part(value, None, sign == "≥") if sign in ">≥" else Part(None, value, False, sign == "≤")
        return (part,), name

    def _around(self, end: str) -> tuple[Part, ...]:
        value = self._end(end)
        return Part(None, value), Part(value, None)

    def _end(self, text: str) -> Any:
        return None if "∞" in text else self._number.whole(text.replace(" ", ""))

    def _intersection(self, parts: list[Part]) -> Part | None:
        low = next((part for part in parts if part.high is None), None)
        high = next((part for part in parts if part.low is None), None)
        if low is None or high is None:
            return None
        both = Part(low.low, high.high, low.has_low, high.has_high)
        return both if _is_ordered(both) else None


def asks_interval(question: str) -> bool:
    """Whether a question has a set of numbers as its answer, so that `(1, 2)` is no point."""
    return _ASKS.search(question) is not None and _ASKS_POINT.search(question) is None


def _is_spanned(low: str, high: str) -> bool:
    """Whether only minus infinity stands below, and only plus infinity above."""
    return ("∞" not in low or low.lstrip()[0] == "-") and ("∞" not in high or high.lstrip()[0] != "-")


def _is_ordered(part: Part) -> bool:
    """Whether an interval's ends are in order, as far as they are plain numbers."""
    low, high = part.low, part.high
    return not (isinstance(low, Quantity) and isinstance(high, Quantity)) or low.value < high.value
