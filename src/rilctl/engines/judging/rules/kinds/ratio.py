"""Ratios: `2:3`, `2 to 3`; which side is which is told by `read.echo`."""

import re
from fractions import Fraction
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONCLUSION
from rilctl.engines.judging.rules.read.plain import plain

_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,4})?"
_RATIO = re.compile(rf"(?<![\w.,:/-]){_NUMBER}(?:\s?:\s?{_NUMBER}|\sto\s{_NUMBER}){{1,3}}(?![\w:/-]|[.,][0-9])")
_FRACTION = re.compile(rf"(?<![\w.,:/-])(?:{_NUMBER})\s?/\s?(?:{_NUMBER})(?![\w:/-]|[.,][0-9])")
"""A ratio of two, first to second."""
_PART = re.compile(_NUMBER)
_ASKS = re.compile(r"\bratio\b", re.IGNORECASE)


class RatioKind(Kind):
    """Ratios as answers, as they are written: `4:6` isn't the simplest form of `2:3`.

    A value is a tuple of numbers.

    Args:
        question: its own words doubt nothing.
    """

    name = "ratio"

    def __init__(self, question: str = "") -> None:
        self._question = question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = plain(text).strip(" \t\n\"'*_$()[]").rstrip(".,;")
        match = _RATIO.fullmatch(text) or _FRACTION.fullmatch(text)
        return None if match is None else _parts(match[0])

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = plain(sentence[-1000:])
        ends = [match.end() for match in CONCLUSION.finditer(text)]
        calculated = [text.rpartition("=")[2]] if "=" in text else []
        for part in (*calculated, *(text[end:] for end in reversed(ends)), text):
            found = {_parts(match[0]) for match in _RATIO.finditer(part)}
            if found:
                is_one = len(found) == 1 and not is_doubted(_RATIO.sub(" ", part), self._question)
                return found.pop() if is_one else SEVERAL
        return None


def asks_ratio(question: str) -> bool:
    """Whether a question asks for a ratio."""
    return _ASKS.search(question) is not None


def _parts(text: str) -> tuple[Fraction, ...]:
    return tuple(Fraction(each) for each in _PART.findall(text))
