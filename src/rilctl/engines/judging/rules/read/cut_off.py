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
_ROUND = re.compile(r"(?=.{0,3}[^\W_])(.{4,60}?)\1{5,}")
_MAX_ROUND = 600
"""Characters at the end in which the same may come round."""
_MIN_WORDS = 3
_MAX_WORD = 100
_ROUNDS = 3


def is_cut_off(text: str, statements: Sequence[str], answer: str | None) -> bool:
    """Whether a text without marks breaks off behind its answer.

    Args:
        text: tidy.
        statements: of the text, in their order.
        answer: the statement that was taken for the answer.
    """
    if len(text) < _MIN_CHARS or not statements:
        return False
    last = statements[-1]
    if _GOES_ON.search(text) or _opens_formula(text) or _ROUND.search(text[-_MAX_ROUND:]) or _goes_round(statements):
        return True
    is_long = len(last.split()) >= _MIN_WORDS or len(last) > _MAX_WORD
    return answer != last and not _ENDED.search(text) and is_long


def _opens_formula(text: str) -> bool:
    """Whether the last sign begins a formula."""
    return text.rstrip().endswith("$") and text.count("$") % 2 == 1


def _goes_round(statements: Sequence[str]) -> bool:
    """Whether a sentence is said again and again up to the end."""
    said = Counter(each.strip() for each in statements if len(each.split()) > _MIN_WORDS)
    last = statements[-1].strip(" .")
    return any(times >= _ROUNDS and each.startswith(last) for each, times in said.items())
