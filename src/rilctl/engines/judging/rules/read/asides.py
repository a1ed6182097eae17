"""Sentences of a response that speak about an answer, or of something else, and so give none."""

import re

from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.statements import split_statements

_DESCRIBED = re.compile(
    r"\b(?:(?:start|begin|end|rhyme)s?(?:\s+(?:with|in|on)\b)|(?:is|are) (?:similar|close|equivalent in kind) to\b"
    r"|(?:first|last|only one) (?:digit|letter|character)\b)",
    re.IGNORECASE,
)
"""Tells what an answer is like."""
_ASKS_DESCRIPTION = re.compile(r"\b(?:start|begin|end|rhyme|similar|close|digit|letter|character)", re.IGNORECASE)
_DESCRIBABLE = re.compile(
    r"^\W*(?:(?:the|its|my|this|that|correct|right|final|so|and)\s+)*(?:answer|result|number|word|letter|solution|name"
    r"|value|count|total|option|it|that)\b",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:(?:am|was|were|been|are) told|(?:user|prompt|hint|caption|system|someone|somebody|people|they|he|she) (?:all )?"
    r"(?:say|said|claim|claimed|think|thought|believe|suggest)(?:s|ed)?|i(?:'ve| have)? heard|it is said|supposedly|allegedly)\b"
    r"(?=.{0,40}\b(?:is|are|be|was)\b)",
    re.IGNORECASE,
)
"""What others say."""
_BUT = re.compile(r",?\s+(?:but|however|yet|though|although)\b[ ,]*", re.IGNORECASE)
_UNREADABLE = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|could not|isn't|aren't|not|never)\s(?:be\s)?(?:(?:fully|clearly|really)\s)?"
    r"(?:read|seen|determined|told|known|identified|legible|readable|visible|shown|stated|given|available)\b"
    r"|\b(?:illegible|unreadable|unknown|unclear|cut off|missing)\b",
    re.IGNORECASE,
)
"""Says that what was asked for can't be had."""
_OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        (r"open(?:s|ed|ing)?", r"clos(?:e|es|ed|ing)|shut(?:s|ting)?"),
        (r"start(?:s|ed|ing)?|beg[iau]n(?:s|ning)?", r"end(?:s|ed|ing)?|finish(?:es|ed|ing)?|stop(?:s|ped)?"),
        (r"born|birth", r"di(?:es?|ed)|death"),
        (r"highest|largest|biggest|most|greatest|maximum", r"lowest|smallest|least|minimum|fewest"),
        (r"tallest|longest", r"shortest"),
        (r"oldest|earliest", r"youngest|newest|latest"),
        (r"w[io]n(?:s|ning)?|winner", r"los(?:e|es|t|er)"),
        (r"fastest|quickest", r"slowest"),
        (r"heaviest", r"lightest"),
        (r"cheapest", r"dearest|most expensive"),
        (r"first", r"last"),
        (r"left(?= (?:side|hand|one|of|picture|image|page|bar|half)|\W*$)", r"right"),
        (r"top", r"bottom"),
        (r"above", r"below"),
        (r"increase[sd]?", r"decrease[sd]?"),
        (r"arriv(?:e|es|ed|al)|destination", r"depart(?:s|ed|ure)?|com(?:e|es|ing) from|origin"),
        (r"b(?:uy|uys|ought)|buyer", r"s(?:ell|ells|old)|seller"),
        (r"found(?:ed)?|established", r"dissolved|abolished"),
    )
)
_NO_OPPOSITES = re.compile(r"\b(?:opposite|antonym|contrary|difference|or|reverse|inverse|range)\b", re.IGNORECASE)
_MIN_WORDS = 4
"""Of a sentence about something else: a shorter one may be the answer itself."""


def without_asides(text: str, question: str, *, is_closed: bool) -> str:
    """Without sentences that give no answer, and without all before one that says that none can be given.

    Args:
        text: tidy.
        question: what it asks for may be told in such words: `It starts with B` of what a word starts with.
        is_closed: whether the answer is among the question's words, which have their opposites: yes and no, options.
    """
    described = _DESCRIBED.search(text) is not None and not _ASKS_DESCRIPTION.search(question)
    reported = _REPORTED.search(text) is not None
    unreadable = _UNREADABLE.search(text) is not None and not _UNREADABLE.search(question)
    pairs = [] if is_closed or _NO_OPPOSITES.search(question) else _asked_opposites(text, question)
    if not (described or reported or unreadable or pairs):
        return text
    kept: list[str] = []
    asked = asked_words(question)
    for statement in split_statements(text):
        if described and _DESCRIBED.search(statement) and _DESCRIBABLE.match(statement):
            continue
        if reported and _REPORTED.search(statement):
            own = _BUT.split(statement, maxsplit=1)
            kept += own[1:]
            continue
        if unreadable and (refused := _UNREADABLE.search(statement)) and _names(statement[: refused.start()], asked):
            kept.clear()
            continue
        if len(statement.split()) >= _MIN_WORDS and any(
            other.search(statement) and not one.search(statement) for one, other in pairs
        ):
            continue
        kept.append(statement)
    return "\n".join(kept)


def _asked_opposites(text: str, question: str) -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    """Pairs of (what the question names, its opposite that the text names)."""
    both_ways = [pair for one, other in _OPPOSITES for pair in ((one, other), (other, one))]
    return [
        (one, other) for one, other in both_ways if other.search(text) and one.search(question) and not other.search(question)
    ]


def _names(text: str, asked: frozenset[str]) -> bool:
    """Whether a text names what the question does, in more than small words."""
    words = [word.strip(".,;:!?\"'()").casefold() for word in text.split()]
    return any(len(word) > 3 and word in asked for word in words)
