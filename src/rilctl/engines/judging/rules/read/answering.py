"""A sentence that takes an option in the question's words, whose reasons follow: `Box A fits the cup better, as it …`.

What such a sentence tells where nothing is offered: `read/told.py`.
"""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.accounted import is_accounted, takes_back
from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION, asked_stems, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONDITION, CORRECTION, HEDGE, NEGATION

_WHY = r"because|since|as|given that|due to|with|without|which"
_REST = re.compile(
    r",?\s(?:because|since|given that|due to|while|whereas|unlike|compared (?:to|with)|in contrast)\b"
    rf"|,\s(?:{_WHY}|but)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r",?\s(?:because|since|as|given that|due to|which)\b", re.IGNORECASE)
_FALLS_SHORT = re.compile(
    r"\b(?:less|least|fewer|may|might|could|potentially|hardly|barely|partly|somewhat|only|fails?|lacks?)\b",
    re.IGNORECASE,
)
_UNSAYS = re.compile(
    r"\b(?:wrong\w*|incorrect\w*|false\w*|untrue|mistake\w*|mistaken|errors?|nonsense|doubt\w*|caveat|opposite|reverse"
    r"|other way|equally|just as|likewise|same)\b",
    re.IGNORECASE,
)
"""Where what has been said isn't so, or not of one alone."""
CHOOSES = re.compile(
    r"\b(?:choos\w+|chose|pick\w*|select\w*|settle\w*|prefer\w*|decid\w+|go(?:ing)? with|lean\w*|answer\w*|choice"
    r"|final\w*|right|correct|instead|rather|actually|in other words|conclu\w+|summar\w+|all in all|after all"
    r"|in the end|inspection|reflection|again|better|best|even|still|closer|closest|win\w*)\b",
    re.IGNORECASE,
)
"""Where an option is taken."""
_LETTERED = re.compile(r"\((?:option|choice|answer) [A-J]\)", re.IGNORECASE)
_LEAD = re.compile(
    r"^\W*(?:(?:judging|looking|based|given|considering|using|applying|comparing|from|in|after|upon)\b[^,:]{1,120},\s)?"
    r"(?:(?:so|thus|therefore|hence|overall|finally|in (?:summary|conclusion|my (?:opinion|judgment|assessment)))\b"
    r",?\s)*(?:(?:it|i|we|my|the|this) (?:(?:would|can|will|may) )?(?:\w+ ){0,2}?(?:appears?|seems?|think|believe|say"
    r"|select|choose|pick|see|conclude|suggest|assessment|conclusion|judgment|is)\b(?: (?:be|is|that|would be))*:?\s)?",
    re.IGNORECASE,
)
"""What may stand before an answer: where it was found, that it follows, and that somebody thinks so."""
_DECLARES = re.compile(
    r"\b(?:answer|(?:i|we|i'd|i'll)(?: \w+)? (?:choose|pick|select|take)|my (?:\w+ )?choice"
    r"|(?:correct|right|final) (?:option|choice|one))\b",
    re.IGNORECASE,
)
"""Where an option is called the answer."""
_DESCRIBES = re.compile(
    r"\b(?:shows?|ha(?:s|ve|d)(?! it\b)|includes?|including|features?|depicts?|contains?|covers?|displays?|presents?"
    r"|portrays?|exhibits?|captures?|represents?|lacks?|differs?|different|stands?|lies|cuts?"
    r"|appears? to (?:show|have|be an?)"
    r"|is (?:an?|too|not|out|next|second|different|less|beside|behind|excluded)|isn't|doesn't|do(?:es)? not)\b"
    r"|\b(?:on the other hand|in contrast|by contrast)\b",
    re.IGNORECASE,
)
"""Says of an option what it is like, or that it isn't the one."""
_OTHER_ONE = re.compile(r"\W*the (?:other|latter|last|second|third|fourth)(?! \w+s\b)\b", re.IGNORECASE)
_BETWEEN = frozenset({
    "is", "are", "was", "were", "would", "be", "to", "the", "a", "an", "as", "appears", "appear", "seems", "seem",
    "looks", "look", "clearly", "definitely", "more", "most", "much", "very", "image", "picture", "one", "option",
    "choice",
})  # fmt: skip
"""May stand between an answer and what is said of it."""
_ANNOUNCES = re.compile(r"\b(?:is|be|say|select|choose|answer|choice|assessment)\W*:$", re.IGNORECASE)
_KEY = re.compile(r"\b(?:\w{3,}(?:est|er)|most|least|more|less|fewer|best|worst|only|not|except)\b", re.IGNORECASE)
"""Words that say which one of several is asked for."""
_SAME = re.compile(r"\b(?:equally|just as|likewise|same|also|as well|too(?=\W*$))\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:does|do|did|is|are|was|were|has|have)(?:n't| not)\b|\b(?:less|differ\w*|lacks?|lacking|unlike)\b",
    re.IGNORECASE,
)
_NOT_ANOTHER = re.compile(
    r"\b(?:less (?:\w+ )?than|not (?:the(?! same)|less|least|un\w+|different)|,\s(?:and )?not)\b", re.IGNORECASE
)
"""Denies something of the one that was told, or denies what denies."""
_DEGREES = frozenset({"mo", "le"})
"""Roots of `most` and `less`, which say nothing alone."""
_MIN_SHARED = 2
"""Words of the question in a sentence that answers it."""
_MIN_CHARS, _MAX_CHARS = 8, 250
_EDGE = ".,;:!?()\"'*"


def answering_clause(statement: str, question: str) -> tuple[str, str]:
    """A (plain) statement up to its reasons, and those; empty where it asks, corrects, doubts or sets a condition."""
    cut = _REST.search(statement)
    clause, rest = (statement[: cut.start()], statement[cut.start() :]) if cut else (statement, "")
    if not _MIN_CHARS <= len(clause.strip()) <= _MAX_CHARS or clause.rstrip().endswith("?"):
        return "", ""
    if any(word.casefold() not in question.casefold() for word in _FALLS_SHORT.findall(statement)):
        return "", ""
    if CONDITION.match(clause) or CORRECTION.search(statement) or is_doubted(clause, question):
        return "", ""
    is_unsaid = _UNSAYS.search(_without_asked(statement, question)) or CHOOSES.search(_without_asked(rest, question))
    is_open = not _REASON.match(rest) and (NEGATION.search(rest) or HEDGE.search(rest))
    return ("", "") if is_unsaid or is_open else (clause.strip(), rest)


def says_what_was_asked(clause: str, question: str, own: frozenset[str], offered: str) -> bool:
    """Whether a clause says enough of what was asked for to be its answer, and nothing that turns it round.

    Args:
        clause: see `answering_clause`.
        question: what was asked.
        own: stems of the answer's own words.
        offered: the texts of all answers that the question offers.
    """
    return speaks_of(clause, question, own) and is_accounted(clause, f"{question} {offered}", free=True)


def speaks_of(text: str, question: str, own: frozenset[str]) -> bool:
    """Whether a text speaks of what was asked for: with the word that tells it from the rest, and another one."""
    keys = _asked_keys(question)
    if keys and keys.isdisjoint(word.casefold() for word in _KEY.findall(text)):
        return False
    asked = asked_stems(question) - own
    return len(stems(text) & asked) >= min(_MIN_SHARED, len(asked)) > 0


def leads_plainly(lead: str, question: str) -> bool:
    """Whether what stands before an answer is the speaker's own, and in the question's words where it is more."""
    rest = _LEAD.sub("", lead, count=1).strip(" \"'(*:")
    return not rest or (is_accounted(rest, question) and not takes_back(rest))


def says_so_at_once(behind: str, question: str, own: frozenset[str]) -> bool:
    """Whether between an answer and the first word of what was asked nothing turns it round: `claims to be`."""
    asked, words = asked_stems(question) - own, _words_of(question)
    for place, word in enumerate(map(_bare, behind.split())):
        if stems(word) & asked or word in _asked_keys(question):
            return True
        if word and (word not in _BETWEEN or (word == "as" and place)) and word not in words and len(word) > 1:
            return False
    return True


def describes(statement: str) -> bool:
    """Whether a statement only says what an option is like."""
    return _DESCRIBES.search(statement) is not None


def claims_of_other_one(statement: str, question: str) -> bool:
    """Whether a statement says of another one, without its name, something of what was asked for."""
    if _OTHER_ONE.match(statement) is None or _DENIED.search(statement):
        return False
    return takes(statement, question) or bool(stems(statement) & asked_stems(question))


def claims(statement: str, question: str) -> bool:
    """Whether a statement that names another option says of it what was asked for, the same, or more of it."""
    if _DENIED.search(statement) and not _NOT_ANOTHER.search(statement):
        return False
    said = set(map(_root, map(_bare, statement.split())))
    if not said.isdisjoint(set(map(_root, _asked_keys(question))) - _DEGREES):
        return True
    shares = bool(stems(statement) & asked_stems(question))
    is_same = _SAME.search(_without_asked(statement, question)) is not None
    return speaks_of(statement, question, frozenset()) or (is_same and shares)


@lru_cache(maxsize=1024)
def _asked_keys(question: str) -> frozenset[str]:
    """The words by which what is asked for differs from the rest: `smallest`."""
    found = [question, *LAST_QUESTION.findall(question)][-1]
    return frozenset(word.casefold() for word in _KEY.findall(found))


def _root(word: str) -> str:
    """`small` of `smaller` and `smallest`."""
    return {"most": "mo", "more": "mo", "least": "le", "less": "le"}.get(word, re.sub(r"(?:est|er)$", "", word))


def _without_asked(text: str, question: str) -> str:
    """Without the words of the question, which mean here what they mean there."""
    asked = _words_of(question)
    return " ".join(word for word in text.split() if _bare(word) not in asked)


@lru_cache(maxsize=1024)
def _words_of(question: str) -> frozenset[str]:
    return frozenset(question.casefold().replace("?", " ").replace(",", " ").split())


def _bare(word: str) -> str:
    return word.casefold().strip(_EDGE)


def declares(statement: str) -> bool:
    """Whether a statement calls something the answer."""
    return _DECLARES.search(statement) is not None


def takes(statement: str, question: str) -> bool:
    """Whether an option is taken in a statement, in words that aren't the question's."""
    return CHOOSES.search(_without_asked(_LETTERED.sub(" ", statement), question)) is not None


def announces(statement: str, question: str) -> bool:
    """Whether a statement says that its answer follows: `Therefore, the most similar image is:`."""
    return (
        _ANNOUNCES.search(statement) is not None
        and not is_doubted(statement, question)
        and is_accounted(statement, question, free=True)
    )
