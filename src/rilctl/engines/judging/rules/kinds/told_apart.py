"""Numbers that stand beside the one that answers: days, times, wholes, the ends of a change, parts that add up."""

import re

from rilctl.engines.judging.rules.kinds.quantity import Quantity
from rilctl.engines.judging.rules.kinds.words import ENGLISH

_NUMBER = rf"(?:[$€£]?[0-9](?:[0-9,.]*[0-9])?%?|{ENGLISH.pattern})"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_DATED = re.compile(
    rf",?\s?(?:\b(?:on|by|of|in|since|from|dated)\s)?(?:the\s)?\b(?:{_DAY}\s(?:of\s)?{_MONTH}\b\.?|{_MONTH}\b\.?\s{_DAY}\b(?!\s?%))"
    r"(?:,?\s[12][0-9]{3}\b)?",
    re.IGNORECASE,
)
_BESIDE = (
    re.compile(
        r"(?:\bat\s)?(?<![0-9:.])[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?:\s?[ap]\.?m\b\.?)?(?![0-9:])", re.IGNORECASE
    ),
    re.compile(
        rf"(?P<kept>{_NUMBER}(?:\s[a-z]+)?)\s(?:out\s)?of\s(?:the\s|all\s|these\s|those\s|its\s|a\stotal\sof\s)?{_NUMBER}(?=\s[a-z])",
        re.IGNORECASE,
    ),
    re.compile(rf"^\W*(?:out\s)?of\s(?:the\s|all\s|these\s|those\s)?{_NUMBER}\s[^,0-9]{{1,40}},\s", re.IGNORECASE),
    re.compile(rf"\bfrom\s{_NUMBER}(?:\s[a-z°]+)?\sto\s{_NUMBER}", re.IGNORECASE),
    re.compile(r"\s\((?=[^()]*[0-9][^()]*(?:,|;|\+|\band\b)[^()]*[0-9])(?![^()]*\bor\b)[^()]{1,120}\)", re.IGNORECASE),
    re.compile(r"(?<=[^\W\d_]):\s(?=[^:=]*[0-9][^:=]*(?:,|;|\band\b)[^:=]*[0-9])(?!.*(?:\bor\b|=))[^:]{1,300}$", re.IGNORECASE),
)
_SINCE = re.compile(
    r",?\s(?:since|as of|until|before|after|compared (?:to|with)|versus|up from|down from)\s(?:the year\s)?(?:1[5-9]|20)[0-9]{2}\b(?!\s?%)",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r",\s(?:(?:the|an?|its)\s(?:(?:second|third)[ -])?(?:\w+est|most|least|maximum|minimum|peak)\b[^;:=0-9]*(?:[12][0-9]{3}\W*)?$"
    r"|(?:(?:up|down)\sfrom|followed|compared|ahead|versus|including|of which|more than|less than)\b[^;:=]*$)",
    re.IGNORECASE,
)
_MIN_PARTS = 2


def without_beside(text: str, *, asks_year: bool) -> str:
    """A (plain) sentence without such numbers, as long as another one is left."""
    for pattern in (_REMARK, *_BESIDE) if asks_year else (_DATED, _SINCE, _REMARK, *_BESIDE):
        left = pattern.sub(lambda match: match.groupdict().get("kept") or "", text)
        if left != text and (any(map(str.isdigit, left)) or ENGLISH.search(left)):
            text = left
    return text


def whole_of_parts(found: list[Quantity]) -> Quantity | None:
    """The first or last quantity, which all others add up to: `4 keys, 3 silver and 1 gold`."""
    for whole, parts in ((found[0], found[1:]), (found[-1], found[:-1])):
        if len(parts) >= _MIN_PARTS and whole.unit and sum(part.value for part in parts) == whole.value > 0:
            return whole
    return None
