"""Responses that go on behind their answer with another question, as base models write them.

What stands behind the first `Question:` answers that one. A response gains nothing by it: it has the answer that stands
before, whatever comes later, and none where nothing does.
"""

import re

from rilctl.engines.judging.rules.read.plain import normal

_NEXT = re.compile(
    r"\n\s*(?:#{1,6}\s*)?(?:Hint:[^\n]*\n\s*)?(?:Question|Human|User|Problem)(?:\s[0-9]{1,2})?:\s*(?P<asked>[^\n]*)"
)
_MAX_COMPARED = 60


def own_part(text: str, question: str) -> str:
    """What stands before the first other question; all of it where there is none.

    Args:
        text: tidy.
        question: what was asked; a response that repeats it goes on with its own answer.
    """
    for match in _NEXT.finditer(text):
        asked = normal(match["asked"])[:_MAX_COMPARED]
        if text[: match.start()].strip() and not (asked and asked in normal(question)):
            return text[: match.start()]
    return text


def before_repetition(text: str) -> str:
    """What stands before the first question, the one that was asked or another; empty where there is none."""
    match = _NEXT.search(text)
    return text[: match.start()] if match else ""
