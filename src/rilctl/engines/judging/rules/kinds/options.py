"""Options of a multiple choice question, and ground truths that name one."""

import re
from itertools import pairwise

_TRUTH = re.compile(r"[(\[]?([A-J]|[a-f])[)\]]?[.:]?")
_TRUTH_WITH_TEXT = re.compile(r"(?:[(\[]([A-J])[)\]]|([A-J])(?:[):]|\.(?!\s+[A-Z]\w*\.?(?:\s|$))))\s+(\S.{0,500})")
_FIRST_LABEL = re.compile(r"\n\(?A(?![a-z])|(?<=:)\s\(?A[).:]\s")
LABEL = re.compile(r"(?:^|(?<=[\s,;]))(?:[(\[]([A-J])[)\]]|([A-J])(?:[.):]|\s-))(?=\s)")
"""Before an option's text."""


def read_truth(answer: str) -> tuple[str, str | None] | None:
    """The (plain) ground truth as (letter, text of the option or None), or None where it is no choice."""
    if match := _TRUTH.fullmatch(answer.strip()):
        return match[1].upper(), None
    match = _TRUTH_WITH_TEXT.fullmatch(answer.strip())
    if match and len(LABEL.findall(answer)) == 1:
        return match[1] or match[2], match[3]
    return None


def read_options(question: str) -> dict[str, str]:
    """The options that a (tidy) question lists as `A. …`, `(A) …` or `A) …`, by letter; none without A and B."""
    everywhere = list(LABEL.finditer(question))
    own_lines = [match for match in everywhere if not question[: match.start()].rpartition("\n")[2].strip()]
    found, start = next(
        ((each, at) for each in (own_lines, everywhere) if (at := _first(each)) is not None), ([], None)
    )
    if start is None:
        return {}
    letters = [match[1] or match[2] for match in found]
    options: dict[str, str] = {}
    for place in range(start, len(found)):
        if letters[place] != chr(ord("A") + len(options)):
            break
        end = found[place + 1].start() if place + 1 < len(found) else len(question)
        options[letters[place]] = question[found[place].end() : end].split("\n", 1)[0].strip()
    return options


def stem_of(question: str) -> str:
    """A (tidy) question without its options."""
    return _FIRST_LABEL.split(question, maxsplit=1)[0]


def _first(labels: list[re.Match[str]]) -> int | None:
    """Which of some labels is A, with B behind it."""
    letters = [match[1] or match[2] for match in labels]
    return next((place for place, pair in enumerate(pairwise(letters)) if pair == ("A", "B")), None)
