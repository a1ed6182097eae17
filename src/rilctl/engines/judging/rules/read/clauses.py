"""Which clause of a sentence speaks of what was asked."""

import re
from collections.abc import Callable
from functools import lru_cache

from rilctl.engines.judging.rules.read.echo import DOUBLED
from rilctl.engines.judging.rules.read.phrases import NEGATION, NUMBER_WORDS, SMALL_WORDS

_END = re.compile(
    r"[;:]\s+|,?\s(?:and|but|while|whereas|although|though|yet)\s|,\s|\s-\s|\s(?=\()|(?<=\))\s", re.IGNORECASE
)
_SIGNS = (",", ";", ":", " and ", " but ", " while ", " whereas ", " - ", "(")
_WORD = re.compile(r"[^\W\d_]+|(?<![0-9.,])(?:1[5-9]|20)[0-9]{2}(?![0-9,])")
_ENDING = re.compile(r"(?:ings?|ed|es|s|e|ly)$")
LAST_QUESTION = re.compile(r"[^.?!\n]*\?")
_OF_THEM = re.compile(r"\bof (?:them|these|those|which)\b", re.IGNORECASE)
_STARTS_WITH_WORD = re.compile(rf"\W*(?!(?:{NUMBER_WORDS})\b)[^\W\d_]{{2,}}", re.IGNORECASE)
_ADVERBIAL = re.compile(
    r"(?:and\s)?(?:on|in|at|to|from|under|behind|above|below|near)(?:\s[^\W\d_]+){1,4}", re.IGNORECASE
)
"""Where or when something is so, before what is so."""
_CONDITION = re.compile(r"\W*(?:if|when)\s([^.;:?\n]{3,160}?),\s(?:then\s)?", re.IGNORECASE)
_MIN_LETTERS = 3
_USING = frozenset({"used", "uses", "using"})


def has_clauses(sentence: str) -> bool:
    """Whether a sentence may have more than one clause."""
    return any(sign in sentence for sign in _SIGNS)


def clauses(sentence: str) -> list[str]:
    """The clauses of a sentence, roughly."""
    parts: list[str] = []
    for part in _END.split(sentence):
        if parts and _ADVERBIAL.fullmatch(parts[-1]):
            parts[-1] = f"{parts[-1]} {part.strip()}"
        elif part.strip():
            parts.append(part.strip())
    return parts


def stem(word: str) -> str:
    """A (folded) word without its ending: `topped` and `toppings` are the same."""
    if word in ("pie", "tie", "die"):
        return f"{word[:-2]}y"
    if len(word) <= _MIN_LETTERS:
        return word
    if word in _USING:
        return "use"
    if word.endswith(("ies", "ied")):
        return f"{word[:-3]}y"
    if word.endswith("ie"):  # as of `pies`
        return f"{word[:-2]}y"
    return DOUBLED.sub(r"\1", _ENDING.sub("", word)) or word


def stems(text: str) -> frozenset[str]:
    """Stems of the words that say something."""
    found = (word.casefold() for word in _WORD.findall(text))
    return frozenset(stem(word) for word in found if len(word) >= _MIN_LETTERS and word not in SMALL_WORDS)


@lru_cache(maxsize=1024)
def asked_stems(question: str) -> frozenset[str]:
    """Stems of what is asked: of the last sentence with a question mark, of all where there is none."""
    found = LAST_QUESTION.findall(question)
    return stems(found[-1] if found else question)


def without_asked_condition(sentence: str, question: str) -> str:
    """Without a condition that the question makes: `If all plants die, fish will die` of what happens if they do."""
    condition = _CONDITION.match(sentence)
    words = stems(condition[1]) if condition else frozenset()
    return sentence[condition.end() :] if condition and words and words <= stems(question) else sentence


def asked_clause(
    sentence: str,
    question: str,
    offered: frozenset[str] = frozenset(),
    has_value: Callable[[str], bool] | None = None,
    ignored: frozenset[str] = frozenset(),
) -> str:
    """The one clause that says more of what was asked than each of the others, which speak of other things; else empty.

    Args:
        sentence: plain.
        question: what was asked.
        offered: stems of the answers that it offers, which don't count.
        ignored: stems that say nothing.
        has_value: tells the clauses that could answer; all where it is None.
    """
    parts: list[str] = []
    for part in clauses(sentence):
        if has_value is not None and has_value(part) and parts and not stems(part) - ignored:  # `6 and 4`
            parts[-1] = f"{parts[-1]} and {part}"
        elif has_value is None or has_value(part):
            parts.append(part)
    asked = asked_stems(question) - offered
    if len(parts) < 2 or not asked:
        return ""
    said = [stems(part) - ignored for part in parts]
    scores = [len(each & asked) for each in said]
    best = max(scores)
    places = [each for each, score in enumerate(scores) if score == best]
    if len(places) > 1:
        places = [each for each in places if _OF_THEM.search(parts[each])]
    if not best or len(places) != 1:
        return ""
    place = places[0]
    if not _OF_THEM.search(parts[place]) and not frozenset().union(*said) & asked <= said[place]:
        return ""
    if best == 1 and not _STARTS_WITH_WORD.match(sentence):  # `7 apples and 8 pears`
        return ""
    others = [(part, each) for other, (part, each) in enumerate(zip(parts, said, strict=True)) if other != place]
    is_clear = all(each - asked - offered or NEGATION.search(part) for part, each in others)
    return parts[place] if is_clear or _OF_THEM.search(parts[place]) else ""
