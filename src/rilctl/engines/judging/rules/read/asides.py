"""Sentences of a response that speak about an answer, or of something else, and so give none."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.statements import split_statements
from rilctl.engines.judging.rules.read.subjects import is_about_another

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
_NO_ANSWER = re.compile(
    r"\W*(?:(?:the|a|an|one|my|its|your|his|her|their|any|some)\s)?(?:\w+\s)?(?:wrong|incorrect|false|obvious|tempting|naive|intuitive|common"
    r"|previous|earlier|initial|old|original|usual|expected|typical|popular|bad|rejected|alternative|other|another)\s"
    r"(?:\w+\s)?(?:answer|option|choice|result|solution|guess|mistake|error|response)s?\b",
    re.IGNORECASE,
)
"""An answer that is spoken of and isn't given."""
_REPORTED = re.compile(
    r"\b(?:(?:am|was|were|been|are) told|(?:user|prompt|hint|caption|system|someone|somebody|people|they|he|she)"
    r" (?:all )?(?:say|said|claim|claimed|think|thought|believe|suggest)(?:s|ed)?|i(?:'ve| have)? heard|it is said"
    r"|supposedly|allegedly)\b"
    r"(?=.{0,40}\b(?:is|are|be|was|yes|no|[A-J]|[0-9]+)\b)",
    re.IGNORECASE,
)
"""What others say."""
_HINT = re.compile(
    "start|begin|end|rhyme|similar|close|equivalent|digit|letter|character|told|say|said|claim|think|thought|beli|sugg|heard"
    "|wrong|incorrect|obvious|tempting|naive|intuitive|common|previous|earlier|initial|original|usual|expected|typical"
    "|popular|rejected|alternative|other"
    "|suppos|alleg|not|n't|never|illeg|unrea|unkn|uncl|cut off|missing"
)
"""A text without any of these needs no closer look."""
_SPEAKS_OF = re.compile(rf"(?:^|[.!?;\n]\s*){_NO_ANSWER.pattern}", re.IGNORECASE)
_BUT = re.compile(r",?\s+(?:but|however|yet|though|although)\b[ ,]*", re.IGNORECASE)
_UNREADABLE = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|could not|isn't|aren't|not|never)\s(?:be\s)?(?:(?:fully|clearly|really)\s)?"
    r"(?:read|seen|determined|told|known|identified|legible|readable|visible|shown|stated|given|available)\b"
    r"|\b(?:illegible|unreadable|unknown|unclear|cut off|missing)\b",
    re.IGNORECASE,
)
"""Says that what was asked for can't be had."""
_HAS_SUBJECT = re.compile(r"[Tt]he\s[^.\n]{2,60}\s(?:is|are|was|were|has|have|says|reads|\w+s|holding|wearing)\s")
_AT_END = r"(?=\W*$|[,.;]| and\b)"
_RIVALS = tuple(
    tuple(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for pattern in group)
    for group in (
        (
            r"open(?:s|ed|ing)?|found(?:ed)?|established|creat(?:ed|ion)|built|launched|inaugurated",
            r"clos(?:e|es|ed|ing)|shut(?:s|ting)?|dissolved|abolished|demolished|destroyed|burn(?:ed|t)",
            r"renovat(?:ed|ion)|restor(?:ed|ation)|rebuilt|extended|enlarged|modernised|modernized",
            r"moved|relocated",
        ),
        (r"start(?:s|ed|ing)?|beg[iau]n(?:s|ning)?", r"end(?:s|ed|ing)?|finish(?:es|ed|ing)?|stop(?:s|ped)?"),
        (r"born|birth", r"di(?:es?|ed)|death", r"married|wedding"),
        (r"highest|largest|biggest|most|greatest|maximum|peak(?:s|ed)?", r"lowest|smallest|least|minimum|fewest"),
        (r"tallest|longest", r"shortest"),
        (r"oldest|earliest", r"youngest|newest|latest"),
        (r"w[io]n(?:s|ning)?|winner", r"los(?:e|es|t|er)"),
        (r"fastest|quickest", r"slowest"),
        (r"heaviest", r"lightest"),
        (r"cheapest", r"dearest|most expensive"),
        (r"first", r"last"),
        (r"(?<=on the )left|left(?= (?:side|hand|one|of|picture|image|page|bar|half)|\W*$)", r"right"),
        (r"top", r"bottom"),
        (r"above", r"below"),
        (r"increase[sd]?|r[io]se[sn]?|gr[eo]w[sn]?", r"decrease[sd]?|f[ae]ll[s]?|fallen|drop(?:s|ped)?|decline[sd]?"),
        (r"arriv(?:e|es|ed|al)|destination", r"depart(?:s|ed|ure)?|com(?:e|es|ing) from|origin"),
        (r"b(?:uy|uys|ought)|buyer", r"s(?:ell|ells|old)|seller"),
        (
            rf"widths?|wide{_AT_END}|how wide", rf"heights?|(?:high|tall){_AT_END}|how (?:high|tall)",
            rf"depths?|deep{_AT_END}|how deep", r"weights?|weighs?|how heavy", r"radius|radii", r"diameters?",
            r"perimeters?|circumference", r"areas?", r"volumes?", rf"lengths?|long{_AT_END}|how long",
        ),
        (r"mean|average", r"median", r"mode"),
        (r"m[ae]n|boys?|he|his|male|father|gentleman", r"wom[ae]n|girls?|she|her|female|mother|lady"),
        (r"total", r"subtotal|sub-total"),
        (r"profits?", r"revenues?|turnover", r"costs?"),
    )
)  # fmt: skip
"""What a question asks about, and what it then doesn't: a sentence about the others alone answers another question."""
_SIDES = frozenset(pattern for group in _RIVALS if group[1].pattern == r"\b(?:right)\b" for pattern in group)
_SAYS_YES_NO = re.compile(r"\W*(?:yes|no|true|false)\b", re.IGNORECASE)
_NO_RIVALS = re.compile(r"\b(?:opposite|antonym|contrary|difference|or|reverse|inverse|range)\b", re.IGNORECASE)
_MIN_WORDS = 4
"""Of a sentence about something else: a shorter one may be the answer itself."""


def without_asides(text: str, question: str, *, is_closed: bool) -> str:
    """Without sentences that give no answer, and without all before one that says that none can be given.

    Args:
        text: tidy.
        question: what it asks for may be told in such words: `It starts with B` of what a word starts with.
        is_closed: whether the answer is among the question's words, which have their opposites: yes and no, options.
    """
    is_named = not is_closed and _HAS_SUBJECT.search(text) is not None
    others = [] if not is_named else [each for each in split_statements(text) if is_about_another(each, question)]
    pairs = [pair for pair in _asked_rivals(question) if pair[1].search(text)]
    if is_closed:
        pairs = [] if _SAYS_YES_NO.match(text) else [pair for pair in pairs if pair[0] in _SIDES]
    if not pairs and not others and not _HINT.search(text.casefold()):
        return text
    described = _DESCRIBED.search(text) is not None and not _ASKS_DESCRIPTION.search(question)
    reported = _REPORTED.search(text) is not None
    unreadable = _UNREADABLE.search(text) is not None and not _UNREADABLE.search(question)
    named = _SPEAKS_OF.search(text) is not None
    if not (others or named or described or reported or unreadable or pairs):
        return text
    kept: list[str] = []
    asked = asked_words(question)
    for statement in split_statements(text):
        if statement in others or (named and _NO_ANSWER.match(statement)):
            continue
        if described and _DESCRIBED.search(statement) and _DESCRIBABLE.match(statement):
            continue
        if reported and _REPORTED.search(statement):
            own = _BUT.split(statement, maxsplit=1)
            kept += own[1:]
            continue
        if unreadable and (refused := _UNREADABLE.search(statement)) and _names(statement[: refused.start()], asked):
            kept.clear()
            continue
        if (
            len(statement.split()) >= _MIN_WORDS
            and "=" not in statement
            and any(other.search(statement) and not one.search(statement) for one, other in pairs)
        ):
            continue
        kept.append(statement)
    return "\n".join(kept)


@lru_cache(maxsize=1024)
def _asked_rivals(question: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Pairs of (what the question names, what it then isn't about)."""
    if _NO_RIVALS.search(question):
        return ()
    found = [(one, other) for group in _RIVALS for one in group for other in group if one is not other]
    return tuple((one, other) for one, other in found if one.search(question) and not other.search(question))


def _names(text: str, asked: frozenset[str]) -> bool:
    """Whether a text names what the question does, in more than small words."""
    words = [word.strip(".,;:!?\"'()").casefold() for word in text.split()]
    return any(len(word) > 3 and word in asked for word in words)
