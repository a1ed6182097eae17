"""One number in two: `1 in 6` of a probability, `3:2` of a ratio."""

import re
from fractions import Fraction

from rilctl.engines.judging.rules.kinds.quantity import Quantity
from rilctl.engines.judging.rules.kinds.ratio import asks_ratio
from rilctl.engines.judging.rules.read.plain import plain

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)"
_RATIO = re.compile(rf"(?:a ratio of |a )?{_NUMBER}\s?(?::|\sto\s)\s?{_NUMBER}(?: ratio)?", re.IGNORECASE)
_PORTION = re.compile(rf"(?:an? )?{_NUMBER}(?:-in-|\s(?:in|out of)\s(?:every )?){_NUMBER}(?: chance)?", re.IGNORECASE)
_ASKS_PORTION = re.compile(
    r"\b(?:probability|probable|chances?|odds|likel\w+|fraction|proportion|portion|share)\b", re.IGNORECASE
)


_OVER = re.compile(r"([0-9]{1,6}) over ([0-9]{1,6})\W*")


def asks_portion(question: str) -> bool:
    """Whether a question asks for a ratio, a share or a probability."""
    return asks_ratio(question) or _asks_share(question)


def read_portion(text: str, question: str) -> Quantity | None:
    """The quotient that a (tidy) text is, where the question asks for one; else None."""
    text = plain(text).strip(" \t\n\"'*_.,;")
    over = _OVER.fullmatch(text)
    if over and int(over[2]):
        return Quantity(Fraction(int(over[1]), int(over[2])), "")
    for pattern, asks in ((_RATIO, asks_ratio), (_PORTION, _asks_share)):
        match = pattern.fullmatch(text)
        if match and asks(question) and Fraction(match[2]):
            return Quantity(Fraction(match[1]) / Fraction(match[2]), "")
    return None


def _asks_share(question: str) -> bool:
    return _ASKS_PORTION.search(question) is not None
