"""From one number to another: `2011-2014`, `from 2011 to 2014`, `18 to 24 years`."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.quantity import Quantity, read_quantity
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.plain import plain

_NUMBER = r"[$€£]?[0-9](?:[0-9,.]*[0-9])?\s?(?:%|°[CF]?|k|m|million|billion|kg|g|cm|mm|km)?"
_RANGE = re.compile(
    rf"(?<![\w.,/-])(?:(?:from|between|ages?|aged)\s)?({_NUMBER})(?:\s?-\s?|\s(?:to|and|through|until|till|up"
    rf" to)\s)({_NUMBER})(?![\w/-]|[.,][0-9])",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s(?:and)\s", re.IGNORECASE)
_ASKS = re.compile(
    r"\b(?:range|ranges?|from|between|period|span|years|group|bracket|category|interval|aged?|when|how long"
    r"|pages|hours)\b",
    re.IGNORECASE,
)
_SCORE = re.compile(r"\b(?:score|ratio|odds|won|win|scale|date|phone|code|number)\b", re.IGNORECASE)
_PAGES = re.compile(r"\bpages?\b", re.IGNORECASE)
_YEAR = re.compile(r"[12][0-9]{3}$")
_UNIT_BEHIND = re.compile(r"\s(?:years?(?: olds?| of age)?|yrs?|%|per ?cent|degrees|[a-z°]{1,12})\.?$", re.IGNORECASE)
_MEASURED = re.compile(
    r"[0-9]\s?(?:years?|months?|weeks?|days?|hours?|minutes?|seconds?|°[CF]?|%|per ?cent|k?m|[cm]m|k?g|mg|m?l|kcal)$",
    re.IGNORECASE,
)
_DECADE = re.compile(
    r"(?<![\w-])(?:the\s)?(?:(?P<part>early|mid|late)[\s-])?(?P<decade>(?:1[5-9]|20)[0-9]0)'?s(?!\w)(?:\sdecade)?",
    re.IGNORECASE,
)


class RangeKind(Kind):
    """Ranges as answers: both ends, in their order.

    Args:
        question: its own words doubt nothing.
    """

    name = "range"

    def __init__(self, question: str = "") -> None:
        self._question = question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = plain(text).strip(" \t\n\"'*_()[]").rstrip(".,;:! ")
        match = _RANGE.fullmatch(text) or _RANGE.fullmatch(_UNIT_BEHIND.sub("", text))
        return None if match is None else _ends(match)

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = plain(sentence[-1000:])
        found = {ends for match in _RANGE.finditer(text) if (ends := _ends(match)) is not None}
        return _the_one(found, _RANGE.sub("", text), self._question)


def is_asked_range(text: str, question: str) -> bool:
    """Whether a ground truth that looks like a range is one: a score, a telephone number and a subtraction aren't."""
    match = _RANGE.match(text)
    both_years = match is not None and bool(_YEAR.match(match[1]) and _YEAR.match(match[2]))
    if re.search(r"\sand\s", text):
        return text.casefold().startswith("between")
    if match is not None and _MEASURED.search(text) and not _SCORE.search(question):
        return True
    if _PAGES.search(question):
        return True
    return both_years or (_ASKS.search(question) is not None and _SCORE.search(question) is None)


def _the_one(found: set[Any], around: str, question: str) -> Any:
    """The only one of a sentence whose other words don't doubt it."""
    if not found:
        return None
    return found.pop() if len(found) == 1 and not is_doubted(around, question) else SEVERAL


def _ends(match: re.Match[str]) -> tuple[Any, Any] | None:
    if _JOINED.search(match[0]) and not match[0].casefold().startswith("between"):
        return None
    low, high = read_quantity(match[1]), read_quantity(match[2])
    if low is None or high is None:
        return None
    ends = low.value * (high.scale if low.scale == 1 and high.scale > 1 and low.value < high.scale else 1), high.value
    return ends if ends[0] < ends[1] and _agree(low, high) else None


def _agree(low: Quantity, high: Quantity) -> bool:
    return not low.unit or not high.unit or low.unit == high.unit


class DecadeKind(Kind):
    """Decades as answers: `the 1920s`.

    Args:
        question: its own words doubt nothing.
    """

    name = "decade"

    def __init__(self, question: str = "") -> None:
        self._question = question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        match = _DECADE.fullmatch(plain(text).strip(" \t\n\"'*_.,;:!"))
        return None if match is None else _decade(match)

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = plain(sentence[-1000:])
        return _the_one({_decade(match) for match in _DECADE.finditer(text)}, text, self._question)


def _decade(match: re.Match[str]) -> tuple[str, str]:
    return (match["part"] or "").casefold(), match["decade"]
