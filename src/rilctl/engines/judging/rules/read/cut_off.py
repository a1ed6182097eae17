"""Long responses that never came to their end: the token budget ran out, or the model went round in circles.

What such a response says on its way is no answer, unless it marks one.
"""

import re
from collections import Counter
from collections.abc import Sequence

_MIN_CHARS = 250
"""Shorter responses may do without a full stop."""
_ENDED = re.compile(r"(?:[.!?。！？)\]}>\"'*`$]|\\\)|\\\])\s*$")
_GOES_ON = re.compile(r"(?:\s[-*]|[+/=(,:×·]|\\cdot|\\times|[.!?][^\S\n]+A)\s*$")
_BROKEN = re.compile(r"\b(?:the|an?|and|or|than|because|if|(?:which|this|that) means there)\s*$")
"""No sentence ends with these."""
_SO = re.compile(r"\W*(?:so|thus|therefore|hence|in conclusion)\b", re.IGNORECASE)
_ROUND = re.compile(r"(?=.{0,3}[^\W_])(.{4,60}?)\1{5,}")
_MAX_ROUND = 600
"""Characters at the end in which the same may come round."""
_MIN_WORDS = 3
_MAX_WORD = 100
_MIN_SIDE = 5
_ROUNDS = 3
_LAST = 4
"""Statements at the end, one of which is said in each round."""


def is_cut_off(text: str, statements: Sequence[str], answer: str | None, *, is_told: bool = False) -> bool:
    """Whether a text without marks breaks off behind its answer.

    Args:
        text: tidy.
        statements: of the text, in their order.
        answer: the statement that was taken for the answer.
        is_told: whether it answers in the question's words; at the beginning, or concluded, its reasons may break off.
    """
    if len(text) < _MIN_CHARS or not statements:
        return False
    if _GOES_ON.search(text) or _opens_formula(text) or _ROUND.search(text[-_MAX_ROUND:]):
        return True
    again = _said_again(statements)
    last, has_ended = statements[-1], _ENDED.search(text) is not None
    is_first = is_told and answer in (statements[0], *filter(_SO.match, statements[:-1]))
    if is_first and not again and statements.count(str(answer)) == 1:
        return False
    if not has_ended and (_BROKEN.search(text) or _is_in_formula(text) or _equates_again(text)):
        return True
    if any(each.startswith(last.strip(" .")) for each in again):
        return True
    if answer == last:
        return not has_ended and not again.isdisjoint(statements)
    is_long = len(last.split()) >= _MIN_WORDS or len(last) > _MAX_WORD
    return (not has_ended and is_long) or not again.isdisjoint(statements[-_LAST:])


def _opens_formula(text: str) -> bool:
    """Whether the last sign begins a formula or an amount."""
    before, sign, behind = text.rstrip().rpartition("$")
    return bool(sign) and not behind and before[-1:].isspace() and len(before.rpartition("$")[2].split()) > _MIN_WORDS


def _is_in_formula(text: str) -> bool:
    """Whether the last paragraph ends inside a formula's brackets."""
    last = text.rpartition("\n\n")[2]
    return any(last.count(opens) > last.count(closes) for opens, closes in (("{", "}"), ("\\[", "\\]"), ("\\(", "\\)")))


def _equates_again(text: str) -> bool:
    """Whether the last line says that something equals the same again."""
    sides = [side.strip() for side in text.rpartition("\n")[2].split("=")]
    return any(len(side) > _MIN_SIDE and sides.count(side) > 1 for side in sides)


def _said_again(statements: Sequence[str]) -> frozenset[str]:
    """The sentences that are said again and again."""
    said = Counter(each for each in statements if len(each.split()) > _MIN_WORDS)
    return frozenset(each for each, times in said.items() if times >= _ROUNDS)
