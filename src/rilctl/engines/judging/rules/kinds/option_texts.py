"""Texts of options: in which ways they may be said, and what only looks like one of them."""

import re

from rilctl.engines.judging.rules.read.echo import RELATIVE_TO
from rilctl.engines.judging.rules.read.plain import normal

_RELATIVE = re.compile(
    rf"\b(?:{RELATIVE_TO}|compared (?:to|with)) ((?:the |a |an |his "
    r"|her )?[\w -]{2,30}?)(?:\?|$|,| in )",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"(?<=\s)(?:it|her|him|them)$")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MATHEMATICS = re.compile(r"[\\^√π=*+/]")
"""Of which other numbers may be the same: `2^3` and `8`."""


def differs_in_numbers(said: str, option: str) -> bool:
    """Whether a text is an option's but for its numbers: `node 5` for `node 4`."""
    if _MATHEMATICS.search(said) or _MATHEMATICS.search(option):
        return False
    numbers = [[float(each) for each in _NUMBER.findall(text.replace(",", ""))] for text in (said, option)]
    words = [re.sub(r"[\W\d_]+", " ", text).strip().casefold() for text in (said, option)]
    return words[0] == words[1] and len(numbers[0]) == len(numbers[1]) and numbers[0] != numbers[1]


def with_noun(options: dict[str, str], question: str) -> dict[str, str]:
    """Options that end with a pronoun, with what it stands for: `behind it` as `behind sofa`."""
    found = _RELATIVE.search(question)
    noun = normal(found[1]) if found else ""
    ends = {text: match for text in options if noun and (match := _PRONOUN.search(text))}
    return {f"{text[: match.start()]}{noun}": options[text] for text, match in ends.items()}
