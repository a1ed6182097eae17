"""By what factor something changes: `It triples`, `increases by a factor of 3`, `3 times as large`."""

import re
from fractions import Fraction
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.quantity import read_quantity
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, NUMBER_WORDS
from rilctl.engines.judging.rules.read.plain import plain

_VERBS = {"doubl": 2, "tripl": 3, "quadrupl": 4, "quintupl": 5}
_NUMBER = rf"(?:[0-9]{{1,6}}(?:\.[0-9]{{1,4}}|\s?/\s?[0-9]{{1,4}})?|(?:{NUMBER_WORDS})\b)"
_UP = r"increas\w+|ris\w+|rose|gr[eo]w\w*|multipl\w+|goes up|went up"
_DOWN = r"decreas\w+|reduc\w+|falls?|fell|fallen|drops?|dropped|shrinks?|shrank|divided|goes down|went down"
_END = r"(?![\w^*/π\\]|\.[0-9]|\s?(?:\^|π|\\|\*|squared|cubed|times|to\b|and\b|or\b|%|per\b))"
"""Nothing more makes the number another one."""
_LESS = r"(?:small|little|low|short|few|light|weak|slow)"
_FACTOR = re.compile(
    r"\b(?:(?P<verb>doubl|tripl|quadrupl|quintupl)(?:es?|ed)|(?P<half>halve[sd]?|half as \w+)|(?P<twice>twice)"
    rf"|(?:(?P<up>{_UP})|(?P<down>{_DOWN})|changes?|changed)\s(?:\w+ly\s)?by\s(?:a\s)?factor\s(?:of\s)?(?P<factor>{_NUMBER}){_END}"
    rf"|(?<!by )(?P<times>{_NUMBER})\stimes(?:(?=\W*$)|\sas\s(?!{_LESS})\w+"
    r"|\s(?:its|the)\s(?:\w+\s)?(?:original|initial|previous|old|former|first|value|size)(?:\s\w+(?=\W*$))?)"
    rf"|(?:is|are|gets?|will be)\s(?:multiplied|(?P<divided>divided))\sby\s(?P<by>{_NUMBER}){_END}"
    r"|(?:becomes?|(?:is|are|will be)\s(?:reduced|cut|decreased)\sto|(?:drops?|falls?|shrinks?)\sto)"
    r"\s(?P<part>(?:an?|one)\s(?:half|third|quarter|fourth|fifth|sixth|eighth|ninth|tenth|sixteenth)"
    r"|[0-9]{1,4}/[0-9]{1,4})(?:(?=\W*$)|\sof\b|\sas\b)"
    rf"|(?:(?P<fold_down>{_DOWN})\s)?(?P<fold>[0-9]{{1,4}}|{NUMBER_WORDS})[\s-]?fold)",
    re.IGNORECASE,
)
_BY_FACTOR = re.compile(rf"(?:by\s)?(?:a\s)?factor\s(?:of\s)?(?P<factor>{_NUMBER})", re.IGNORECASE)
_TURNED = re.compile(rf"\b(?:half|times|twice|fold)\s(?:as\s)?(?:{_LESS}|less)\w*", re.IGNORECASE)
_OTHERS_SAY = re.compile(
    r"\b(?:some|many|most|others|people|they|he|she) (?:say|think|claim|believe|guess)s?\b", re.IGNORECASE
)
_ASKS = re.compile(
    r"\bfactor\b|\bhow many times\b|\bhow\b.*\b(?:chang\w+|affect\w*|becomes?)\b|\bwhat (?:happens|is the effect)\b",
    re.IGNORECASE | re.DOTALL,
)
_ASKS_FACTOR = re.compile(r"\bfactor\b|\bhow many times\b", re.IGNORECASE)


class FactorKind(Kind):
    """Factors of a change as answers; below one where something becomes less.

    Args:
        question: a bare number answers it where it asks for a factor.
    """

    name = "factor"

    def __init__(self, question: str = "") -> None:
        self._question = question
        self._asks_factor = _ASKS_FACTOR.search(question) is not None

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = plain(text).strip(" \t\n\"'*_.,;:!")
        factor = _BY_FACTOR.fullmatch(text)
        number = read_quantity(factor["factor"] if factor else text.removeprefix("*").strip())
        number = number if factor or self._asks_factor else None
        if number is not None and not number.unit and number.value > 0:
            return number.value
        found = list(_FACTOR.finditer(text))
        is_whole = len(found) == 1 and not text[: found[0].start()].strip() and len(text[found[0].end() :].split()) < 3
        return self.within(text) if is_whole else None

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = plain(sentence[-1000:])
        if _OTHERS_SAY.search(text):
            return SEVERAL
        ends = [match.end() for match in CONCLUSION.finditer(text)]
        for part in (*(text[end:] for end in reversed(ends)), text):
            found = {_value(match) for match in _FACTOR.finditer(part)}
            if found:
                is_one = (
                    len(found) == 1 and not _TURNED.search(part) and not is_doubted(part, self._question, compared=True)
                )
                return (found.pop() or SEVERAL) if is_one else SEVERAL
        return None


def read_factor(text: str, question: str) -> Fraction | None:
    """The factor that a (plain) ground truth is, in words or of what is asked for a factor; else None."""
    if not _ASKS.search(question) or read_quantity(text) is not None or len(text) > 80:
        return None
    value = FactorKind(question).within(text)
    return value if isinstance(value, Fraction) else None


def _value(match: re.Match[str]) -> Fraction | None:
    """What a match says; None where its sense isn't plain."""
    if match["verb"]:
        return Fraction(_VERBS[match["verb"].casefold()])
    if match["half"] or match["twice"]:
        return Fraction(2) if match["twice"] else Fraction(1, 2)
    number = read_quantity(match["factor"] or match["times"] or match["by"] or match["part"] or match["fold"])
    if number is None or number.value <= 0:
        return None
    is_down = match["down"] or match["fold_down"] or match["divided"]
    if (is_down or match["up"] or match["fold"]) and number.value < 1:  # decreases by a factor of one third
        return None
    return 1 / number.value if is_down else number.value
