"""What a sentence says to be more or less than something, where the question asks for that."""

import re
from functools import lru_cache

_COMPARATIVE = re.compile(
    r"\b(?:\w{3,}er|more|less|fewer)\b(?<!other)(?<!number)(?<!either)(?<!whether)(?<!corner)(?<!center)", re.IGNORECASE
)
_SUPERLATIVE = re.compile(r"\b(?:most|least|fewest|\w{3,}est)\b", re.IGNORECASE)
_BUT = re.compile(r"\b(?:but|and|while|whereas|though|although)\b", re.IGNORECASE)
_COMPARED = re.compile(
    r"(.{2,80}?)\s(?:is|are|has|was|were|looks)\s(?:\w+\s){0,2}?(\w{3,}er|more|less|fewer)\s(?:\w+\s){0,6}?than\s(.+)$",
    re.IGNORECASE,
)


def compared_thing(text: str, question: str) -> tuple[str, bool] | None:
    """`The car` of `the car is faster than the bus`, and whether that is what is asked for.

    Returns:
        None where nothing is compared, or the question doesn't.
    """
    found = _COMPARED.match(text)
    asked = frozenset[str]() if found is None or _BUT.search(found[3]) else _asked_comparatives(question)
    return (found[1], found[2].casefold() in asked) if found and asked else None


@lru_cache(maxsize=1024)
def _asked_comparatives(question: str) -> frozenset[str]:
    """The comparatives that a question has, and those of its superlatives."""
    found = {word.casefold() for word in _COMPARATIVE.findall(question)}
    for word in map(str.casefold, _SUPERLATIVE.findall(question)):
        found.add({"most": "more", "least": "less", "fewest": "fewer", "best": "better"}.get(word, f"{word[:-3]}er"))
    return frozenset(found)
