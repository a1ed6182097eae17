"""A question's words, repeated around an answer."""

import re
from functools import lru_cache

_WORDS = re.compile(r"\w[\w'-]*")
_NO_ECHO = frozenset(
    {"more", "less", "fewer", "than", "not", "no", "or", "at", "least", "most", "over", "under", "between"}
)
_ALWAYS = frozenset({"the", "a", "an", "is", "was", "are", "were", "one", "there", "it", "its", "their", "his", "her"})
DOUBLED = re.compile(r"([bdfgklmnprt])\1$")
_ASKING = frozenset({"what", "which", "who", "where", "to", "of", "on", "in", "at", "does", "did"})
_JOINING = frozenset({"of", "in", "at", "with", "called", "named"})
"""May stand between the question's words and the answer: `the flag of Japan`."""
_IS_DONE = re.compile(r"\b(?:is|are|was|were|be|been)\b", re.IGNORECASE)
_OR = re.compile(
    r"(\w[\w'-]*(?: of)?),? or (?:(?:to|on|in|at|of|the|a|an) )*(?:in front of|(\w[\w'-]*))", re.IGNORECASE
)
_SIDES = re.compile(r"\b(?:left|right|side|front|back)\b", re.IGNORECASE)
_RELATION = re.compile(
    r"\b(?:left|right|behind|above|below|under|beneath|front|inside|outside|before|after|than|beats?|north"
    r"|south|east|west)\b",
    re.IGNORECASE,
)
RELATIVE_TO = r"relative to|in relation to|with respect to"
_RELATIVE = re.compile(rf"\b(?:{RELATIVE_TO})\b", re.IGNORECASE)
_RATIO = re.compile(
    r"\bratio (?:of|between) (?:the )?(?:\w+ )*?(\w+)(?: \w+){0,3}? (?:to|and) (?:the )?(?:\w+ )*?(\w+)", re.IGNORECASE
)
_MAX_ENDS = 3
_VERB_FORMS = ({"has", "have", "had"}, {"do", "does", "did"})
_ENDING = re.compile(r"(?:ings?|ed|es|s|d|e)$")


@lru_cache(maxsize=1024)
def asked_words(question: str) -> frozenset[str]:
    """Words of a question that around an answer are no part of it."""
    return (frozenset(word.casefold() for word in _WORDS.findall(question)) | _ALWAYS) - _NO_ECHO


@lru_cache(maxsize=1024)
def _echoed(question: str) -> frozenset[str]:
    """Those, their stems, and without the alternatives that the question offers."""
    offered = {word.casefold() for match in _OR.finditer(question) for word in match.groups() if word}
    words = asked_words(question) - offered
    words |= {word.removesuffix("'s") for word in words}
    more = {"he", "she", "they", "you", "should", "must", "need", "still"} | (
        {"side"} if _SIDES.search(question) else set()
    )
    for forms in _VERB_FORMS:
        more |= forms if forms & words else set()
    return words | {_stem(word) for word in words if word not in _ALWAYS} | more


def _stem(word: str) -> str:
    stem = DOUBLED.sub(r"\1", _ENDING.sub("", word)) if len(word) > 3 and word.isalpha() else word
    return f"{stem}*" if len(stem) > 2 else word


def without_echo(text: str, question: str) -> list[str]:
    """Without the question's words at both ends, and up to the first of them behind the start.

    `It's the orange line` of a line is orange, and `Rovers won 2-1` of who won is Rovers.
    """
    asked = _echoed(question)
    words = text.split()
    is_asked = [
        (folded := word.strip(".,;:!?\"'()").casefold()) in asked or (_stem(folded) in asked and not word[0].isdigit())
        for word in words
    ]
    is_asked = [each and not _is_item(words, place) for place, each in enumerate(is_asked)]
    start, end = 0, len(words)
    while start < end and is_asked[start]:
        start += 1
    if 0 < start < end - 1 and _joins(words[start].casefold(), question):
        start += 1
        while start < end - 1 and words[start].casefold() in ("the", "a", "an"):
            start += 1
    while end > start and (is_asked[end - 1] or (end < len(words) and _opens(words[end - 1], question))):
        end -= 1
    head = next((place for place in range(start, len(words)) if is_asked[place]), len(words))
    found = [" ".join(words[start:end])]
    until = next((place for place in range(head, len(words)) if words[place][-1] in ",.;("), len(words) - 1) + 1
    is_known = all(is_asked[place] or words[place][0].isdigit() for place in range(head, until))
    if start == 0 and 0 < head <= 3 and is_known:
        found.append(" ".join(words[:head]))
    return found


def echo_ends(text: str, question: str) -> list[str]:
    """A text without only some of the question's words before it: of a dog, `the dog food` is no food."""
    asked = _echoed(question)
    words = text.split()
    num = 0
    while (
        num < len(words)
        and (word := words[num].strip(".,;:!?\"'()").casefold())
        and (word in asked or _stem(word) in asked)
    ):
        num += 1
    return [" ".join(words[start:]) for start in range(max(1, num - _MAX_ENDS), num) if num < len(words)]


def _is_item(words: list[str], place: int) -> bool:
    """Whether a word is a letter or number of a list, whatever the question says."""
    word = words[place]
    if word.strip(".,;:!?\"'()") == "A":
        return place > 0 or word != "A"
    joined = word[-1] == "," or (place > 0 and (words[place - 1][-1] == "," or words[place - 1] == "and"))
    return word[0].isdigit() and joined


def is_turned(text: str, question: str) -> bool:
    """Whether two things have changed their places: `The lamp is left of the mug` of what is left of the lamp."""
    if _RELATIVE.search(question):
        return is_turned_round(text, question)
    if (ratio := _RATIO.search(text)) and (asked := _RATIO.search(question)):
        return bool(ratio[1].casefold() == asked[2].casefold() != ratio[2].casefold())
    if (asked := _RATIO.search(question)) and _is_inverse(text, asked[1], asked[2]):
        return True
    before, after, relations = _sides(question)
    if not after:
        return False
    words = [word.strip(".,;:!?\"'()").casefold() for word in text.split()]
    place = next((i for i, word in enumerate(words) if word in relations), len(words))
    return place < len(words) and not (after.isdisjoint(words[:place]) and before.isdisjoint(words[place:]))


def _is_inverse(text: str, first: str, second: str) -> bool:
    """Whether a text names the second before the first: `dogs to cats` of the ratio of cats to dogs."""
    one, other = (rf"\b{re.escape(_stem(word).rstrip('*'))}\w*" for word in (first, second))
    turned, straight = (rf"{a}[^.,;:0-9]{{0,20}}\b(?:to|and) (?:the )?{b}" for a, b in ((other, one), (one, other)))
    return bool(re.search(turned, text, re.IGNORECASE) and not re.search(straight, text, re.IGNORECASE))


def is_turned_round(text: str, question: str) -> bool:
    """Whether a text starts with what a question sees another thing in relation to: the sofa, not the dog."""
    relative = _RELATIVE.search(question)
    if relative:
        first, second = (
            {word.casefold() for word in _WORDS.findall(part) if len(word) > 2} - _ALWAYS - _ASKING - {"position"}
            for part in (question[: relative.start()], question[relative.end() :].partition("?")[0])
        )
        words = [word.strip(".,;:!?\"'()").casefold() for word in text.split()]
        start = next((word for word in words if word not in _ALWAYS), "")
        return start in second - first and not (first - second).isdisjoint(words)
    return False


@lru_cache(maxsize=1024)
def _sides(question: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What a question names before and after a relation, and that, or those which it offers."""
    found = _OR.search(question) or _RELATION.search(question)
    if found is None:
        return frozenset(), frozenset(), frozenset()
    before, after = (
        {word.casefold() for word in _WORDS.findall(part) if len(word) > 2} - _ALWAYS - _NO_ECHO - _ASKING
        for part in (question[: found.start()], question[found.end() :])
    )
    relations = {word.casefold() for word in _WORDS.findall(found[0])} - _ALWAYS - _NO_ECHO - _ASKING
    return frozenset(before - after), frozenset(after - before), frozenset(relations)


def _joins(word: str, question: str) -> bool:
    return word in _JOINING or (word == "by" and not _IS_DONE.search(question))


def _opens(word: str, question: str) -> bool:
    """`between` before two things that the question names after it."""
    return word.casefold() == "between" and " between " in question
