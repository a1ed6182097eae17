"""Multiple choice: option letters in ground truths, questions and responses."""

import re
from itertools import pairwise

from rilctl.engines.judging.text import normalise

_TRUTH = re.compile(r"[(\[]?([A-J]|[a-f])[)\]]?[.:]?")
_TRUTH_WITH_TEXT = re.compile(r"(?:[(\[]([A-J])[)\]]|([A-J])[.):])\s+(\S.{0,500})")
_LABEL = re.compile(r"(?:^|(?<=[\s,;]))(?:[(\[]([A-J])[)\]]|([A-J])[.):])(?=\s)")
_ALONE = re.compile(r"(?:option|choice|letter|answer)?\s{0,3}[:=]?\s{0,3}[(\[]?([A-Ja-j])[)\]]?[.:,;!]?", re.IGNORECASE)
_LEADING = re.compile(
    r"(?:option|choice)?\s{0,3}"
    r"(?:[(\[]([A-Ja-j])[)\]]|([A-Ja-j])[.):]|([B-HJ])(?=\s+(?!(?:is|was|are|and|or|isn't)\b)))\s{0,3}(.*)",
    re.DOTALL,
)
_STANDALONE = re.compile(r"(?<![\w'\-+*/=^])(?:[(\[]([A-Ja-j])[)\]]|([A-HJ]))(?![\w'\-+*/=^])")
_NAMED = re.compile(r"\b(?:option|choice|letter)\s{1,3}[(\[]?([A-Ja-j])\b", re.IGNORECASE)
_ARTICLE_USE = re.compile(r"\s+(?!(?:is|was|because|since|as|and|or|nor|but|not)\b)[^\W\d_]{2}")


def read_choice(answer: str) -> tuple[str, str | None] | None:
    """The (cleaned) ground truth as (letter, text of the option or None), or None where it is no choice."""
    if match := _TRUTH.fullmatch(answer.strip()):
        return match[1].upper(), None
    if match := _TRUTH_WITH_TEXT.fullmatch(answer.strip()):
        return match[1] or match[2], match[3]
    return None


def read_options(question: str) -> dict[str, str]:
    """The options that a (cleaned) question lists as `A. …`, `(A) …` or `A) …`, by letter; none without A and B."""
    found = list(_LABEL.finditer(question))
    letters = [match[1] or match[2] for match in found]
    start = next((i for i, pair in enumerate(pairwise(letters)) if pair == ("A", "B")), None)
    if start is None:
        return {}
    options: dict[str, str] = {}
    for place in range(start, len(found)):
        if letters[place] != chr(ord("A") + len(options)):
            break
        end = found[place + 1].start() if place + 1 < len(found) else len(question)
        options[letters[place]] = question[found[place].end() : end].split("\n", 1)[0].strip()
    return options


def written_choice(text: str, options: dict[str, str]) -> str | None:
    """The letter that a (cleaned) final answer is written as: `B`, `(b)`, `B. cat`, `option b`, or an option's text.

    A letter beside another option's text is no answer, nor is a list of several options.
    """
    text = text.strip(" \t\n\"'*_")
    if match := _ALONE.fullmatch(text):
        return match[1].upper()
    by_text = {normalise(option): letter for letter, option in options.items()}
    whole = by_text.get(normalise(text))
    if whole is not None:
        return whole
    match = _LEADING.fullmatch(text)
    if match is None:
        return None
    letter = (match[1] or match[2] or match[3]).upper()
    rest = match[4]
    others = {(found[1] or found[2]).upper() for found in _STANDALONE.finditer(rest)}
    others |= {found[1].upper() for found in _NAMED.finditer(rest)}
    if others - {letter} or by_text.get(normalise(rest), letter) != letter:
        return None
    return letter


def num_labels(text: str) -> int:
    """How many different option labels (`A.`, `(B)`) a (cleaned) text carries: more than one is a list of options."""
    return len({match[1] or match[2] for match in _LABEL.finditer(text)})


def sole_choice(sentence: str) -> str | None:
    """The one letter that a (cleaned) sentence names; the article in `A cat` and the pronoun `I` are no letters."""
    sentence = sentence[-1000:]
    named = {match[1].upper() for match in _NAMED.finditer(sentence)}
    for match in _STANDALONE.finditer(sentence):
        letter = (match[1] or match[2]).upper()
        if match[2] != "A" or not _ARTICLE_USE.match(sentence, match.end()):
            named.add(letter)
    return named.pop() if len(named) == 1 else None
