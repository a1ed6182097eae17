"""Dates and times of day: found by their shape, read by dateutil."""

import re
from abc import abstractmethod
from datetime import date
from functools import lru_cache
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.clauses import asked_clause, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, NEGATION, NUMBER_WORDS
from rilctl.engines.judging.rules.read.plain import plain

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?"
_DATE = re.compile(
    rf"(?<![\w.]){_WEEKDAY}(?:(?P<iso>[0-9]{{4}}(?:-[0-9]{{1,2}}-|/[0-9]{{1,2}}/)[0-9]{{1,2}})"
    rf"|(?P<numeric>[0-9]{{1,2}}[/.-][0-9]{{1,2}}[/.-][0-9]{{4}})"
    rf"|(?P<words>{_MONTH}\s+(?:the\s+)?{_DAY}(?:,\s*|\s+)[0-9]{{4}}|{_DAY}(?:\s+of)?\s+{_MONTH},?\s+[0-9]{{4}})"
    rf"|(?P<monthly>{_MONTH}(?:,|\sof)?\s+[0-9]{{4}})|(?P<slashed>(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{{2}}"
    rf"|(?:0[1-9]|1[0-2])/[2-4][0-9](?![0-9/]))"
    rf"|(?P<yearless>{_MONTH}\s+(?:the\s+)?{_DAY}(?![\w,])|{_DAY}(?:\s+of)?\s+{_MONTH}(?!\w)))(?![\w/-])",
    re.IGNORECASE,
)
_CHINESE_DATE = re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})[日号]")
_TIME = re.compile(
    r"(?<![\w:.])(?P<hour>[01]?[0-9]|2[0-4])(?:\s?:\s?(?P<minute>[0-5][0-9]))?(?::(?P<second>[0-5][0-9]))?"
    r"\s*(?P<half>[ap]\.?\s?m\b\.?)?(?:\s*(?:o'clock|hours|hrs|h))?(?![\w:])",
    re.IGNORECASE,
)
_BEST_BEFORE = re.compile(
    r"\b(?:best|use|sell|eat|consume|drink|good|valid|expires?|open|closed|due|submit\w*|return\w*)[ -](?:\w+"
    r" )?(?:before|by|until|after|from|on)(?= (?:or on )?\W?\w)",
    re.IGNORECASE,
)
"""Before the day on a jar or a ticket, which is that day."""
_AROUND = re.compile(
    r"^(?:(?:it|on|at|in|the|is|was|date|dated|time|about|exactly|approximately|around)\b[\s:]*)*", re.IGNORECASE
)
_HOURS = NUMBER_WORDS.split("|")[1:13]
_MINUTES = {name: number for number, name in enumerate(NUMBER_WORDS.split("|")[:21])} | {
    "half": 30, "a quarter": 15, "quarter": 15, "twenty-five": 25, "twenty five": 25,
}  # fmt: skip
_SPOKEN_TIME = re.compile(
    rf"\b(?P<minutes>{'|'.join(sorted(_MINUTES, key=len, reverse=True))}"
    rf"|[0-5]?[0-9])(?:\sminutes?)?\s(?P<side>past|after|to|before|till)\s(?P<hour>{'|'.join(_HOURS)}|1[0-2]"
    rf"|[1-9])\b(?!\s?[:0-9])",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"^\W*([01]?[0-9]|2[0-3])\.([0-5][0-9])(?=\W*$|\s*(?:uhr|[ap]\.?m))", re.IGNORECASE)
_IN_WORDS = rf"(?P<hour>{'|'.join(_HOURS)}|[0-2]?[0-9])"
_HOUR = re.compile(rf"\b{_IN_WORDS}(?:\so'clock\b|\s?(?:uhr|h|点)\s?(?P<minute>[0-5][0-9])?(?!\w))", re.IGNORECASE)
_HALF_OF_DAY = re.compile(
    rf"\b{_IN_WORDS}(?P<minute>:[0-5][0-9])?(?:\so'clock)?\s(?:in the|at)\s(?P<half>morning|afternoon|evening|night)\b",
    re.IGNORECASE,
)
_NOON = re.compile(r"\b(?:(?:12\s)?(?:noon|midday)|(?:12\s)?midnight)\b", re.IGNORECASE)


class _WhenKind(Kind):
    """Days and times of day.

    Args:
        question: its own words doubt nothing, and tell which of several is meant.
    """

    _shape: re.Pattern[str]

    def __init__(self, question: str = "") -> None:
        self._question = question

    @abstractmethod
    def _read(self, match: re.Match[str]) -> Any:
        """The value of what the shape found, None if it is none."""

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = plain(text).strip(" \t\n\"'*_()[]$").rstrip(",;:!")
        text = text[_AROUND.match(text).end() :] if _AROUND.match(text) else text  # type: ignore[union-attr]
        match = self._shape.fullmatch(text) or self._shape.fullmatch(text.rstrip("."))
        return None if match is None else self._read(match)

    def is_bare_in(self, statement: str, form: str) -> bool:
        """See `Kind`."""
        return len(statement) - len(form) < 20

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = _BEST_BEFORE.sub("", plain(sentence[-1000:]))
        ends = [match.end() for match in CONCLUSION.finditer(text) if match.start()]
        if ends and (concluded := self.within(text[ends[-1] :])) is not None:
            return concluded
        calculated = self.whole(text.rpartition("=")[2]) if "=" in text and not NEGATION.search(text) else None
        if calculated is not None:
            return calculated
        values = [value for match in self._shape.finditer(text) if (value := self._read(match)) is not None]
        if not values:
            return None
        if any(not self.same(values[0], other) for other in values):
            days = stems(" ".join(match[0] for match in self._shape.finditer(text)))
            clause = asked_clause(
                text, self._question, ignored=days, has_value=lambda part: bool(self._shape.search(part))
            )
            return self.within(clause) or SEVERAL if clause else SEVERAL
        return SEVERAL if is_doubted(text, self._question, compared=True) else values[0]


class DateKind(_WhenKind):
    """Days as answers; `03/04/2020`, which is two days, is none."""

    name = "date"
    _shape = _DATE

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        return super().whole(_CHINESE_DATE.sub(r"\1-\2-\3", text))

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        return super().within(_CHINESE_DATE.sub(r" \1-\2-\3 ", sentence))

    def _read(self, match: re.Match[str]) -> Any:
        if match["slashed"]:
            month, year = match["slashed"].split("/")
            return int(year if len(year) > 2 else f"20{year}"), int(month), 0
        return _day(match[0].casefold(), match["numeric"], match["yearless"] is not None, match["monthly"] is not None)


def is_month(text: str) -> bool:
    """Whether a text that may be a fraction is a month and its year: `12/2027`."""
    match = _DATE.fullmatch(text)
    return match is not None and match["slashed"] is not None


class TimeKind(_WhenKind):
    """Times of day as answers; without am and pm, `3:45` is either."""

    name = "time"
    _shape = _TIME

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        return super().whole(_in_digits(_DOTTED.sub(r"\1:\2", text)))

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        return super().within(_in_digits(sentence))

    def _read(self, match: re.Match[str]) -> Any:
        hour, half = int(match["hour"]), (match["half"] or "").replace(".", "").replace(" ", "").casefold()
        if match["minute"] is None and not half:
            return None
        if half and not 1 <= hour <= 12:
            return None
        if half:
            hour = hour % 12 + (12 if half == "pm" else 0)
        is_open = not half and 1 <= hour <= 12 and match["hour"][0] != "0"
        return (hour, int(match["minute"] or 0), int(match["second"] or 0)), "open" if is_open else half and "half"

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`: `3:45 PM` answers `3:45`, and `15:45` doesn't."""
        if one[0] == other[0]:
            return bool(one[1] == other[1] or other[1] != "open" or one[1] == "")
        either_half = one[1] == "open" and other[1] == "half" and one[0][0] % 12 == other[0][0] % 12
        return bool(either_half and one[0][1:] == other[0][1:])


def _in_digits(text: str) -> str:
    """A text with `a quarter past four`, `noon` and `six o'clock in the evening` as `4:15`, `12 pm` and `6 pm`."""
    text = _NOON.sub(lambda match: "12 am" if match[0].casefold().startswith("midnight") else "12 pm", text)
    if not any(
        word in text.casefold()
        for word in (" past ", " after ", " to ", "clock", " in the ", " at night", "h", "uhr", "点")
    ):
        return text
    text = _SPOKEN_TIME.sub(_spoken_time, text)
    text = _HOUR.sub(lambda match: f"{_hour(match['hour'])}{':' + match['minute'] if match['minute'] else ':00'}", text)
    return _HALF_OF_DAY.sub(_with_half, text)


def _with_half(match: re.Match[str]) -> str:
    half = "am" if match["half"].casefold() == "morning" else "pm"
    return f"{_hour(match['hour'])}{match['minute'] or ''} {half}"


def _hour(hour: str) -> int:
    return int(hour) if hour.isdigit() else _HOURS.index(hour.casefold()) + 1


def _spoken_time(match: re.Match[str]) -> str:
    minute = _MINUTES.get((match["minutes"] or "").casefold())
    if minute is None:
        minute = int(match["minutes"]) if (match["minutes"] or "0").isdigit() else 0
    hour = _hour(match["hour"])
    if match["side"].casefold() in ("to", "before", "till", "of"):
        hour, minute = (hour - 1 or 12), 60 - minute
    return f"{hour}:{minute:02d}" if 1 <= hour <= 12 and 0 <= minute < 60 else match[0]


@lru_cache(maxsize=2048)
def _day(text: str, numeric: str | None, yearless: bool, monthly: bool) -> tuple[int, int, int] | None:
    from dateutil import parser  # 15 ms, and most answers are no dates

    if numeric:
        first, second, year = (int(part) for part in re.split(r"[/.-]", numeric))
        days = {(year, month, day) for month, day in ((first, second), (second, first)) if _exists(year, month, day)}
        return days.pop() if len(days) == 1 else None
    text = re.sub(r"\b(?:of|the)\b", " ", text).replace("sept ", "sep ")
    try:
        found = parser.parse(text, default=parser.parse("2000-01-01"))
    except (ValueError, OverflowError):
        return None
    return (0 if yearless else found.year), found.month, (0 if monthly else found.day)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
