"""Numbers that stand beside the one that answers: days, times, wholes, the ends of a change, parts that add up."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.kinds.quantity import Quantity
from rilctl.engines.judging.rules.kinds.words import ENGLISH, english_words
from rilctl.engines.judging.rules.read.phrases import NUMBER_WORDS

_NUMBER = rf"(?:[$€£]?[0-9](?:[0-9,.]*[0-9])?%?|{ENGLISH.pattern})"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_YEAR = r"(?:1[5-9]|20)[0-9]{2}\b"
_DAYS = (
    (
        "",
        rf",?\s(?:(?:on|by|of|in|since|from|dated)\s)?(?:the\s)?(?:{_DAY}\s(?:of\s)?{_MONTH}\b\.?"
        rf"|{_MONTH}\b\.?\s{_DAY}\b(?!\s?%))"
        r"(?:,?\s[12][0-9]{3}\b)?",
    ),
    (
        "",
        r",?\s(?:since|as of|until|before|after|compared (?:to|with)|versus|up from|down from)\s(?:the year\s)?"
        rf"{_YEAR}(?!\s?%)",
    ),
)
"""Where no year is asked for."""
_BESIDE = (
    (
        ",",
        r",\s(?:(?:the|an?|its)\s(?:(?:second|third)[ -])?(?:\w+est|most|least|maximum|minimum|peak)\b[^;:=0-9]*"
        r"(?:[12][0-9]{3}\W*)?$"
        r"|(?:(?:up|down)\sfrom|followed|compared|ahead|versus|including|of which|more than|less than)\b[^;:=]*$)",
    ),
    (":", r"(?:\bat\s)?(?<![0-9:.])[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?:\s?[ap]\.?m\b\.?)?(?![0-9:])"),
    (
        " of ",
        rf"(?P<kept>{_NUMBER}(?:\s[a-z]+)?)\s(?:out\s)?of\s(?:the\s|all\s|these\s|those\s|its\s|a\stotal\sof\s)?"
        rf"{_NUMBER}(?=\s[a-z])",
    ),
    ("f ", rf"^\W*(?:out\s)?of\s(?:the\s|all\s|these\s|those\s)?{_NUMBER}\s[^,0-9]{{1,40}},\s"),
    ("rom ", rf"\bfrom\s{_NUMBER}(?:\s[a-z°]+)?\sto\s{_NUMBER}"),
    (
        ", from ",
        rf"(?<=[0-9%])(?:\s(?:that|in that|in the same|this)\s\w+)?,\sfrom\s{_NUMBER}(?:\s[a-z]+)?(?=\W*$)",
    ),
    ("(", r"\s\((?=[^()]*[0-9][^()]*(?:,|;|\+|\band\b)[^()]*[0-9])(?![^()]*\bor\b)[^()]{1,120}\)"),
    (
        ": ",
        r"(?<=[^\W\d_]):\s(?=[^:=]*[0-9][^:=]*(?:,|;|\band\b)[^:=]*[0-9])(?!.*(?:\bor\b|=))[^:]{1,300}$",
    ),
)
"""What a text with such a number has, and the number with what belongs to it."""
_PATTERNS = {pattern: re.compile(pattern, re.IGNORECASE) for _, pattern in (*_DAYS, *_BESIDE)}
_DATED = re.compile(rf"[0-9] ?(?:st |nd |rd |th )?(?:of )?{_MONTH}\b|{_MONTH}\.? [0-9]|{_YEAR}", re.IGNORECASE)
_SHARE = re.compile(r",\s(?:which|that) is (?:about |only |just )?[0-9.]+\s?(?:%|per ?cent) of\b[^;]*$", re.IGNORECASE)
_PLACE = re.compile(
    r",?\s(?:(?:attained|reached|achieved|occurring|taken|obtained)\s)?(?:at|when|where|for)\s\$?[a-z]\s?=\s?[-0-9./]+\$?\W*$"
)
_ASKS_EXTREME = re.compile(
    r"^(?!.*\b(?:where|when|(?:at|for) (?:which|what)|value of [xyzt])\b)"
    r".*\b(?:maximum|minimum|greatest|largest|smallest|least|highest|lowest) (?:possible )?value\b",
    re.IGNORECASE | re.DOTALL,
)
_ANY = re.compile(rf"[0-9][0-9.,]*|\b(?:{NUMBER_WORDS})\b", re.IGNORECASE)
_A_YEAR = re.compile(
    r"(?<![\w.,$€£/-])(?:1[5-9]|20)[0-9]{2}(?![\w%/-]|[.,][0-9]|\s?(?:%|million|people|units|dollars))"
)
_MIN_PARTS = 2


def has_several_numbers(text: str) -> bool:
    """Whether a text has more than one number."""
    found = _ANY.finditer(text)
    return next(found, None) is not None and next(found, None) is not None


def without_beside(text: str, *, asks_year: bool) -> str:
    """A (plain) sentence without such numbers, as long as another one is left."""
    if not has_several_numbers(text):
        return text
    is_dated = not asks_year and _DATED.search(text) is not None
    for hint, pattern in (*_DAYS, *_BESIDE) if is_dated else _BESIDE:
        if hint not in text:
            continue
        left = _PATTERNS[pattern].sub(_kept, text)
        if left != text and (any(map(str.isdigit, left)) or ENGLISH.search(left)):
            text = left
    return text


def sole_year(text: str) -> str:
    """The only year of a sentence, beside other numbers."""
    found = set(_A_YEAR.findall(text))
    return found.pop() if len(found) == 1 else ""


def has_number(text: str) -> bool:
    """Whether a text has digits or a number word."""
    return any(map(str.isdigit, text)) or any(True for _ in english_words(text))


def without_share(text: str) -> str:
    """Without what part of something an amount is: `8 g, which is 7% of the daily value`."""
    return _SHARE.sub("", text) if "% of" in text or "cent of" in text else text


def without_place(text: str, question: str) -> str:
    """Without where an extreme value is reached, where only that value is asked for: `4, attained at x = 3`."""
    return _PLACE.sub("", text) if "=" in text and _asks_extreme(question) else text


@lru_cache(maxsize=1024)
def _asks_extreme(question: str) -> bool:
    return _ASKS_EXTREME.match(question) is not None


def _kept(match: re.Match[str]) -> str:
    return match.groupdict().get("kept") or ""


def whole_of_parts(found: list[Quantity]) -> Quantity | None:
    """The first or last quantity, which all others add up to: `4 keys, 3 silver and 1 gold`."""
    for whole, parts in ((found[0], found[1:]), (found[-1], found[:-1])):
        if len(parts) >= _MIN_PARTS and whole.unit and sum(part.value for part in parts) == whole.value > 0:
            return whole
    return None
