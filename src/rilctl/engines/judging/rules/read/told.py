"""What a sentence tells in the question's own words: `The policy names Ellen Vance as the beneficiary`."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION, asked_stems, clauses, stem, stems
from rilctl.engines.judging.rules.read.doers import DIRECTIONS, agent, doer
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CORRECTION, SMALL_WORDS

_EDGE = ".,;:!?\"'()[]*_ "
_MAX_CHARS = 300
_NEUTRAL = stems(
    "show display read say list give indicate name depict feature contain hold bear state mention use come go"
    " stand lie hand bar line column slice segment curve value"
    " sit belong locate call leave consist visible wear look appear seem make write print mark label carry present has"
    " began begin start named field box entry heading draw drawn series"
)
"""Stems of what things do whatever they are."""
_INNER = frozenset(
    {
        "of",
        "the",
        "a",
        "an",
        "and",
        "&",
        "de",
        "la",
        "le",
        "du",
        "von",
        "van",
        "der",
        "in",
        "for",
        "to",
        "on",
        "at",
        "s",
    }
)
"""May stand inside an answer."""
_FOR_NOUNS = frozenset({"he", "she", "it", "they"})
_ASKS_WHERE = re.compile(r"\b(?:where|directions?|which (?:way|side))\b", re.IGNORECASE)
_LEADS = stems("belongs leads points goes")
_MARKS_OF_CHARTS = frozenset({"bar", "line", "column", "slice", "segment", "curve", "value"})
_PICTURES = frozenset({"image", "picture", "photo", "photograph", "number", "word"})
"""Part of an answer before `of`."""
_KEY = re.compile(
    r"\b(?:\w{3,}(?<!for)(?<!inter)(?<!pr)(?<!gu)(?<!ch)(?<!qu)(?<!t)(?<!ern)est|most|least|first|second|third|fourth"
    r"|fifth|sixth|last|next|previous|former"
    r"|other|another|only|left|right|top|bottom|upper|lower|front|back|middle|northern|southern|eastern|western"
    r"|more|less)\b",
    re.IGNORECASE,
)
"""Words that say which one of several; another one is another thing."""
_HEAD = re.compile(
    r"\b(?:what|which|who)(?:'s|\s(?:is|are|was|were))\s(?:the|its|his|her|their)\s([\w' -]{2,50}?)(?=\s(?:of"
    r"|in|on|at|for|to|that|which|who|shown|with|from|by|according)\b|[?,]|$)",
    re.IGNORECASE,
)
_IS = re.compile(r"\s(?:is|are|was|were|would be|must be|reads|says)(?:\s(?:called|named))?\s", re.IGNORECASE)
_SUBJECT = re.compile(r"(?:the|its|his|her|their|this|that)\s|[\w.-]{2,30}'s\s", re.IGNORECASE)
_PRONOUN = re.compile(r"(?:it|this|that|he|she|they|these|those|there|which|who|here|what)\b", re.IGNORECASE)
_WHOSE = re.compile(
    r"(?:whose|cuja|cujo|cuya|cuyo|dont (?:la|le)|deren|dessen|and (?:its|his|her|their))\s(.+)", re.IGNORECASE
)
_IS_ACTIVE = re.compile(r"\W*(?:who|which|what)\b(?!.*\bby\b)", re.IGNORECASE)
_BUT = re.compile(r"\b(?:but|however|though|although|yet|except)\b", re.IGNORECASE)


_ON_PICTURE = re.compile(
    r"\s(?:on|in) the (?:chart|graph|plot|image|picture|photo|figure|diagram|map)[.!]?$", re.IGNORECASE
)
"""Where all of it is."""
_FROM = re.compile(r"^(?:from|between)\s", re.IGNORECASE)


@lru_cache(maxsize=4096)
def told(sentence: str, question: str) -> tuple[str, ...]:
    """The words that one clause says of what was asked, in the ways to read it; none where more than one does."""
    if not question or len(sentence) > _MAX_CHARS or sentence.rstrip().endswith("?"):
        return ()
    if CORRECTION.search(sentence):
        return ()
    parts = clauses(sentence)
    found = [runs for part in parts if (runs := _runs(part, question))]
    if len(found) != 1:
        return ()
    behind = sentence[sentence.find(found[0][0]) + len(found[0][0]) :]
    if _BUT.search(behind):
        return ()
    whole = _runs(sentence, question) if len(parts) > 1 and ", " in sentence else []
    return tuple(dict.fromkeys(each for run in (*found[0], *whole) for each in (run, _FROM.sub("", run))))


def other_than_asked(text: str, question: str) -> bool:
    """Whether a text says of which one it speaks, and that isn't the question's: the largest, not the second one."""
    said = {word.casefold() for word in _KEY.findall(text)}
    return bool(said) and said != _asked_keys(question)


def _keys(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _KEY.findall(text))


@lru_cache(maxsize=1024)
def _asked_keys(question: str) -> frozenset[str]:
    """Those of what is asked: of the last sentence with a question mark, of all where there is none."""
    found = LAST_QUESTION.findall(question)
    return frozenset(word.casefold() for word in _KEY.findall(found[-1] if found else question))


def _runs(clause: str, question: str) -> list[str]:
    clause = _ON_PICTURE.sub("", clause)
    whose = _WHOSE.match(clause)
    clause = whose[1] if whose else clause
    if is_doubted(clause, question):
        return []
    done = (agent(clause, question) or doer(clause, question)) if _keys(clause) <= _asked_keys(question) else ""
    return [run for run in (_of_head(clause, question), done, _only_new(clause, question)) if run]


def _of_head(clause: str, question: str) -> str:
    """`Lima` of `The capital of Peru is Lima`, and of `Lima is the capital of Peru`."""
    head = _HEAD.search(question)
    parts = _IS.split(clause, maxsplit=1)
    if head is None or len(parts) != 2:
        return ""
    wanted, keys = stems(head[1]), _keys(head[1])
    left, right = (part.strip(_EDGE) for part in parts)
    if not wanted or not left or not right:
        return ""
    for subject, run in ((left, right), (right, left)):
        named = subject.partition(" of ")[0]
        if (
            wanted <= stems(named)
            and _keys(subject) == keys
            and (_SUBJECT.match(subject) or subject is left)
            and not stems(run) & wanted
            and not _PRONOUN.match(run)
            and _SUBJECT.match(subject)
            and stems(named) - wanted <= asked_stems(question) | _NEUTRAL | _owner(named)
        ):
            return run
    return ""


def _owner(named: str) -> frozenset[str]:
    return stems(named.partition("'s ")[0]) if "'s " in named else frozenset()


def _only_new(clause: str, question: str) -> str:
    """The one run of words that the question doesn't have, of a clause that says enough of it and quotes nothing."""
    if '"' in clause:
        return ""
    asked = asked_stems(question)
    words = clause.split()
    folded = [word.strip(_EDGE).casefold() for word in words]
    known = [_is_known(word, asked, question) for word in folded]
    known = [
        is_known and not (folded[place] in _PICTURES and folded[place + 1 : place + 2] == ["of"])
        for place, is_known in enumerate(known)
    ]
    new = [place for place, is_known in enumerate(known) if not is_known]
    said = {stem(word) for word in folded} & asked
    num_said = len(said) + bool(_keys(clause)) + (folded[0] in _FOR_NOUNS)
    num_said += any(is_known and any(map(str.isdigit, word)) for is_known, word in zip(known, folded, strict=True))
    if not new or not said or num_said < min(2, len(asked)):
        return ""
    if not _asked_keys(question) <= set(folded) or not _keys(clause) <= _asked_keys(question):
        return ""
    start, end = new[0], new[-1] + 1
    if folded[start] in ("to", "towards", "toward") and _ASKS_WHERE.search(question) and start + 1 < end:
        start += 1
    if folded[start] == "into" and start + 1 < end:
        start += 1
    if folded[start] == "to" and start and stem(folded[start - 1]) in _LEADS and start + 1 < end:
        start += 1
    if any(known[place] and folded[place] not in _INNER for place in range(start, end)):
        return ""
    run = " ".join(words[start:end]).strip(_EDGE)
    return run.removesuffix("'s") if end < len(words) and folded[end] in _MARKS_OF_CHARTS else run


def _is_known(word: str, asked: frozenset[str], question: str) -> bool:
    if not word:
        return True
    if any(map(str.isdigit, word)):
        return word in question
    if word in DIRECTIONS and not (word == "by" and _IS_ACTIVE.match(question)):
        return re.search(rf"\b{word}\b", question, re.IGNORECASE) is not None
    return len(word) < 3 or word in SMALL_WORDS or stem(word) in asked or stem(word) in _NEUTRAL
