"""Who has most, told by the place: `Ann Lee is on top with 412 points, ahead of Bo Moe with 398`."""

import re

from rilctl.engines.judging.rules.read.clauses import stems
from rilctl.engines.judging.rules.read.doubts import is_doubted

_ASKS_MOST = re.compile(
    r"\b(?:who|which|what)\b[^?]*\b(?:highest|most|greatest|largest|biggest|best|leads?|leader)\b", re.IGNORECASE
)
_ASKS_OTHERWISE = re.compile(
    r"\b(?:lowest|least|fewest|smallest|worst|second|third|last|not|behind|runner)\b|n't\b", re.IGNORECASE
)
_LEADS = re.compile(
    r"(?P<who>[^\W\d_][^,.;:()0-9]{1,50}?)\s(?:(?:is|are|was|were|stands?|sits?|comes? out|came out|finished)"
    r"\s(?:on top|at the top|in the lead)|leads?|tops?(?=\sthe\s(?:table|list|board)))"
    r"(?:\s(?:of )?the \w+)?\s(?:with|at|by)\s[^,.;]{0,20}?[0-9][0-9.,]*[0-9%]?(?P<counted>\s[^,;]{1,30}?)?"
    r"(?:,\s(?:ahead of|followed by|before)\s[^;]{1,80})?[.!]?",
    re.IGNORECASE,
)
_POINTS = stems("points")
_NO_NAME = re.compile(r"(?:it|he|she|they|this|that|there|who|which|nobody|no one)\b", re.IGNORECASE)


def leader(sentence: str, question: str) -> str:
    """Who is on top of a (plain) sentence that says by how much and nothing else, where is asked who has most."""
    match = _LEADS.fullmatch(sentence) if " with " in sentence or " at " in sentence or " by " in sentence else None
    counted = stems(match["counted"] or "") if match else frozenset()
    if not counted <= stems(question) | _POINTS:
        return ""
    if match is None or _NO_NAME.match(sentence) or is_doubted(sentence, question):
        return ""
    return match["who"] if _ASKS_MOST.search(question) and not _ASKS_OTHERWISE.search(question) else ""
