"""Whether everything that stands around an answer is known to change nothing: what can't be accounted for does.

An answer counts where its sentence consists of words that never turn an answer round, and of the question's own. A word
that is neither is let pass where the sentence speaks of what was asked and has no word that turns answers round.
"""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.clauses import stem
from rilctl.engines.judging.rules.read.phrases import HAN_IF
from rilctl.engines.judging.rules.read.vocabulary import KNOWN, META, TAKING_BACK, TURNING

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_LATEX = re.compile(r"\\[a-zA-Z]+")
_NEVER_DONE = re.compile(
    "|".join(
        (
            r"\b(?:would|should|could|must|might) have (?:been|\w{2,}ed|said|had|chosen)\b",
            r"^\W*(?:had|were|should) (?:it|he|she|they|there|the|this|that|we|i|you)\b",
            r"\b(?:used|said|believed|supposed|thought|claimed|rumou?red|meant|expected|about) to (?=be\b"
            r"|answer|say|choose|pick|have)",
            r"\b(?:i|we)(?:'d| would) (?:like|love|prefer|want)\b|\bi'm lying\b|\ba lie\b",
            r"\b(?:the other|(?:the|my|its|an?) old) (?!two|three)",
            r"\byou (?:should|must|could|might|may|would|want|expect|said|told|claim|gave|think)\b",
            r"\b(?:second|third|fourth|fifth|last|next|first) (?=(?:best|choice|place|year|month|week|time"
            r"|guess|instinct|answer|frame|picture|image|photo|panel|scene)\b)",
            r"\b(?:i|we|you) (?:really |strongly )?doubt\b",
            r"\bone (?:option|possibility|candidate|choice) (?:is|would)\b",
            r"\baccording to (?:you|him|her|them|my|your|some)\b",
            r"\b(?:he|she|they|you|someone) (?:all )?(?:gave|said|gives?|says?|chose|picked|answered|claim"
            r"|think|believe|reckon)\b",
            r"\b(?:we|i|let's|let us|let me)(?:'ll)? (?:will |now |first |to )*(?:start|begin|consider|look"
            r"|examine|check|compare|test"
            r"|stud[yi]|verify)\b(?! \w+ly that)",
            r"^\W*(?:step [0-9]+:\s)?(?:look at|say (?:it|that)|print|write|say|grade|output|reply|respond"
            r"|return)\s(?!is\b)",
            r"\bthe (?:question|prompt|task|wording) (?:suggest|say|claim|impl|state|mention|ask)",
            r"\bpart of\b|\bdiffers? from\b|\bn/a\b|\bone of (?:many|several|the options|the possible|those)\b"
            r"|\bwants? (?:me|us) to\b",
            r"\b(?:not|n't) (?:(?:entirely|quite|really) )?(?:true|right|correct|so|sure(?! (?:about|of) the)"
            r"|the case|what was asked)\b",
            "[≠¬✗✘❌]",
        )
    ),
    re.IGNORECASE,
)
"""Says of an answer that it isn't so, or that others think so."""
_ADVERSE = (
    r"(?:but|however|yet|though|although|unfortunately|sorry|oh|hmm+|no|well|actually|wait|p\.?s\.?|edit|update"
    r"|and|then"
    r" again|on (?:second|further) thoughts?|on reflection)"
)
_REMARK = re.compile(
    rf"\W*(?:{_ADVERSE}\b[\s,:.]*)*"
    r"(?:(?:that|this|which|all (?:of )?(?:that|this)|(?:the|my|this|that) (?:above|answer|line|last|previous|first)"
    r"|i|i'm|i've|i'd|we)\b"
    r"|(?:please|disregard|ignore|forget|strike|scratch|just|never mind|don't|do not)\b)",
    re.IGNORECASE,
)
"""A sentence that speaks of an answer before it, or of who gave it."""
_POINTS = re.compile(
    rf"\W*(?:{_ADVERSE}\b[\s,:.]*)*(?:that|this|which|the above|all of (?:that|this))(?='s|\s\w*(?:is|was|are|"
    r"were|can|could|does|did|seems?|looks?|should|must|would|has|had|isn|wasn|doesn|won)\b)",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:not|no(?!\.)|never|cannot|neither|hardly)\b|n't\b", re.IGNORECASE)
_TAKEN = re.compile(
    r"\b(?:take|takes|took|taking) (?:it|that|this|them|everything|all of (?:it|that))? ?back\b", re.IGNORECASE
)
_ALONE = re.compile(
    rf"\W*(?!though\b)(?:{_ADVERSE}|not|nope|wrong|false|incorrect|nah|because|so|or)\W*", re.IGNORECASE
)
"""Nothing but a word that turns what stands before it, or leaves it open."""
_UNDONE = frozenset({
    "have", "had", "were", "should", "to", "other", "like", "love", "prefer", "want", "lying", "lie", "old",
    "you", "second", "third", "fourth", "fifth", "last", "next", "first", "one", "according", "he", "she",
    "they", "someone", "start", "begin", "consider", "look", "examine", "check", "compare", "test", "study",
    "verify", "doubt", "differ", "differs", "say", "print", "write", "grade", "output", "reply", "respond",
    "return", "question", "prompt", "task", "wording", "part", "n", "e", "not", "true", "right", "correct", "so",
    "sure",
})  # fmt: skip
"""Without any of these in it, a text needs no closer look."""
_SIGNS = re.compile("[≠¬✗✘❌]|!=")
_PRONOUNS = frozenset({
    "it", "it's", "he", "he's", "she", "she's", "they", "they're", "its", "his", "her", "their", "you",
})  # fmt: skip
"""Stand for what was asked about."""
_SUBJECT = re.compile(
    r"\W*(?:(?:so|and|thus),?\s)?(?:the|this|these|its|their)\s(?:[\w'-]+\s){1,9}?(?:is|are|was|were|reads?"
    r"|shows?|says?|has|have"
    r"|points?|indicates?|suggests?|tells?|gives?|measures?|weighs?|costs?|contains?|holds?)\s",
    re.IGNORECASE,
)
"""Says what it speaks of: whether that was asked about is for others to tell."""
_PLACE = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+)*, [A-Z]{2} [0-9]")
"""Before a postal code."""
_SURELY = re.compile(r"\b(?:no|without (?:a |any )?) ?doubt\b|\bnot only\b", re.IGNORECASE)
_UNREAL = re.compile(
    r"(?:^|[.!?;\n])\W*(?:[Hh]ad|[Ww]ere|[Ss]hould) (?:it|he|she|they|there|the|this|that)\b"
    rf"|{HAN_IF}[^。,\n]{{0,12}}$"
)
_MIN_LETTERS = 3
_MIN_GROUND = 3
_HAS_ADDRESS = re.compile(r"[^\W\d]\.\w|\w\.[^\W\d]|@")
_OPTIONS = re.compile(r"\n\s*\(?A[).:]\s|\n\s*(?:options|choices)\b", re.IGNORECASE)
_SAID_OF = re.compile(
    r"^\W*[$€£]?[0-9][\w.,:/%°-]*\s(?:[a-z]{1,12}\s)?(?:is|was|comes|lies|stands|remains|seems"
    r"|looks)\s(?!(?:the |my |a )?(?:\w+ )?"
    r"(?:answer|correct|right|number|total|value|sum|result|count|amount|visible|shown|seen|what)\b)",
    re.IGNORECASE,
)
"""A number of which something is said."""
_SAMPLE = re.compile(r"\b(?:the|this) sample (?=(?:contains?|has|holds|weighs)\b)", re.IGNORECASE)
"""A thing, and no example."""
_PROVIDED = re.compile(
    r"\b(information|(?:image|picture|photo|photograph|option|choice|detail|point|figure|example)s?|data|text|context)"
    r" provided(?=\s*(?:[,.;:)]|$)|\s(?:in|by|above|below|on|for|here)\b)"
    r"|\b(the|two|three|four) provided (?=(?:image|picture|photo|photograph|option|choice|detail|point|figure)s?\b)",
    re.IGNORECASE,
)
"""Given, and no condition."""
_LIMITS = frozenset({"tends", "approaches", "converges"})
"""Say of a limit what it is, and of another number what it isn't."""
_NUMBER = re.compile(r"[0-9]{2,}")
_ADDRESS = re.compile(r"\S+@\S+|\S*\w\.\w\S*")


@lru_cache(maxsize=4096)
def is_accounted(text: str, question: str, *, free: bool = False) -> bool:
    """Whether nothing in a text, which is a sentence with or without its answer, may turn that round.

    Args:
        text: tidy.
        question: what was asked; its words turn nothing.
        free: whether words that nobody knows are let pass, as in a calculation.
    """
    text = _SAMPLE.sub("", text) if " sample " in text else text
    words = _words(_PROVIDED.sub(r"\1\2 ", text) if " provided" in text else text)
    if ".g." in text:
        return False
    if not words:
        return _SIGNS.search(text) is None
    if not _UNDONE.isdisjoint(words) or not text.isascii():
        undone = _NEVER_DONE.search(text)
        if undone and undone[0].casefold().strip() not in question.casefold():
            return False
    asked = _asked(question)
    unasked = [word for word in words if word not in asked]
    unknown = [word for word in unasked if not _is_harmless(word) and stem_of(word) not in asked]
    if not TURNING.isdisjoint(unknown):
        return False
    if free or not (unknown or _SAID_OF.match(text)):
        return True
    unasked = [word for word in unasked if stem_of(word) not in asked]
    about = _about(question)
    return (
        words[0] in _PRONOUNS
        or any(word in about or stem_of(word) in about for word in set(words).difference(unasked))
        or not _numbers(question).isdisjoint(_NUMBER.findall(text))
        or _SUBJECT.match(text) is not None
        or _PLACE.match(text) is not None
    )


@lru_cache(maxsize=4096)
def leads(lead: str, question: str, *, free: bool = False) -> bool:
    """Whether what stands before an answer leaves it what it is; see `is_accounted`."""
    if _DENIES.search(lead) and _DENIES.search(_SURELY.sub("", lead)) and not _DENIES.search(question):
        return False
    return is_accounted(lead, question, free=free)


def is_unreal(text: str) -> bool:
    """Whether a text says what would be so."""
    return _UNREAL.search(text) is not None


def takes_back(statement: str) -> bool:
    """Whether a statement behind an answer takes it back, doubts it, or speaks of it in a way that may."""
    if _ALONE.fullmatch(statement) or _TAKEN.search(statement):
        return True
    if _REMARK.match(statement) is None:
        return False
    if not TAKING_BACK.isdisjoint(_words(statement)) or _NEVER_DONE.search(statement):
        return True
    return _POINTS.match(statement) is not None and _DENIES.search(statement) is not None


def _words(text: str) -> list[str]:
    """Folded words of Latin letters."""
    if "\\" in text:
        text = _LATEX.sub(" ", text)
    if ("." in text[:-1] or "@" in text) and _HAS_ADDRESS.search(text):
        text = _ADDRESS.sub(" ", text)
    found: list[str] = _WORD.findall(text.casefold())
    if "'" in text:
        found = [word.removesuffix("'s") for word in found]
    return found if text.isascii() else [word for word in found if word[0] < "\u0370"]


@lru_cache(maxsize=16384)
def _is_harmless(word: str) -> bool:
    return word not in TURNING and (len(word) < _MIN_LETTERS or word in KNOWN or stem(word) in KNOWN)


stem_of = lru_cache(maxsize=16384)(stem)


@lru_cache(maxsize=1024)
def _asked(question: str) -> frozenset[str]:
    words = [part for word in _words(question) for part in (word, *word.split("-"))]
    said = frozenset({"said", "answered"}) if "respond" in question or "answered" in question else frozenset()
    tends = _LIMITS if "\\lim" in question or "limit" in question else frozenset()
    return frozenset(words) | frozenset(map(stem_of, words)) | said | tends


@lru_cache(maxsize=1024)
def _about(question: str) -> frozenset[str]:
    """Words of a question, without its options, that tell what it is about."""
    words = _asked(_OPTIONS.split(question, maxsplit=1)[0])
    return frozenset(word for word in words if len(word) >= _MIN_GROUND and stem_of(word) not in META)


@lru_cache(maxsize=1024)
def _numbers(question: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(question))
