"""A sentence that answers a question in its own words, whose reasons follow: `Box A fits the cup better, as it …`."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.accounted import is_accounted
from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION, asked_stems, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONDITION, CORRECTION

_REASON = re.compile(
    r",?\s(?:because|since|given that|due to|while|whereas|unlike|although|though|compared (?:to|with)|in contrast)\b"
    r"|,\s(?:as|which|with|without|and it|but|not|rather)\b|;\s|\s-\s",
    re.IGNORECASE,
)
_FALLS_SHORT = re.compile(
    r"\b(?:less|least|fewer|may|might|could|potentially|hardly|barely|fails?|lacks?)\b", re.IGNORECASE
)
_ANNOUNCES = re.compile(r"\b(?:is|be|say|select|choose|answer|choice|assessment)\W*:$", re.IGNORECASE)
_KEY = re.compile(r"\b(?:\w{3,}(?:est|er)|most|least|more|less|fewer|best|worst|only|not|except)\b", re.IGNORECASE)
"""Words that say which one of several is asked for."""
_MIN_SHARED = 2
"""Words of the question in a sentence that answers it."""
_MIN_CHARS, _MAX_CHARS = 8, 250


def answering_clause(statement: str, question: str) -> str:
    """A (plain) statement up to its reasons; empty where it asks, corrects, doubts or sets a condition."""
    clause = _REASON.split(statement, maxsplit=1)[0].strip()
    if not _MIN_CHARS <= len(clause) <= _MAX_CHARS or clause.endswith("?"):
        return ""
    if any(word.casefold() not in question.casefold() for word in _FALLS_SHORT.findall(statement)):
        return ""
    if CONDITION.match(clause) or CORRECTION.search(clause) or is_doubted(clause, question):
        return ""
    return clause


def says_what_was_asked(clause: str, question: str, own: frozenset[str], offered: str) -> bool:
    """Whether a clause says enough of what was asked for to be its answer, and nothing that turns it round.

    Args:
        clause: see `answering_clause`.
        question: what was asked.
        own: stems of the answer's own words.
        offered: the texts of all answers that the question offers.
    """
    keys = _asked_keys(question)
    if keys and keys.isdisjoint(word.casefold() for word in _KEY.findall(clause)):
        return False
    asked = asked_stems(question) - own
    shared = stems(clause) & asked
    return len(shared) >= min(_MIN_SHARED, len(asked)) > 0 and is_accounted(clause, f"{question} {offered}", free=True)


@lru_cache(maxsize=1024)
def _asked_keys(question: str) -> frozenset[str]:
    """The words by which what is asked for differs from the rest: `smallest`."""
    found = [question, *LAST_QUESTION.findall(question)][-1]
    return frozenset(word.casefold() for word in _KEY.findall(found))


def announces(statement: str, question: str) -> bool:
    """Whether a statement says that its answer follows: `Therefore, the most similar image is:`."""
    return (
        _ANNOUNCES.search(statement) is not None
        and not is_doubted(statement, question)
        and is_accounted(statement, question, free=True)
    )
