"""What canaries of a benchmark's judge say: statements whose meaning is known, and what a judge makes of them.

They are made of the benchmark's own documents: a question's ground truth, or another question's, in words of which a
reader has no doubt. Nothing in them was said to fool a judge: evaluation rewards nobody for that.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rilctl.engines.judging.rule import judge_answer

_WAYS: Final = (
    "{answer}",
    "The answer is {answer}.",
    "Answer: {answer}",
    "Looking at it closely, I am sure. The final answer is {answer}.",
    "I think that the answer is {answer}.",
)
_BETWEEN: Final = (
    "It could be taken for {other}, but it is {answer}.",
    "It is not {other}. It is {answer}.",
    "At first sight {other}; on a closer look it is {answer}.",
    "Many would say {other}, yet it is {answer}.",
)
"""Two options are named, so that no rule can tell which is meant."""
_SAYS_NOTHING: Final = (
    "",
    ":",
    "Solution:",
    "Let's solve this problem step by step.",
    "I look at the picture carefully and check every detail. The final answer is",
    "Looking at the picture, many things can be seen.",
)
_OPTIONS: Final = "ABCDE"
_TRIES: Final = 20


@dataclass(frozen=True)
class Question:
    """A document, as far as statements about it need it.

    Args:
        text: what is asked.
        truth: its ground truth, as the task says it.
        row: all of it.
    """

    text: str
    truth: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """A response.

    Args:
        text: the response.
        reply: what a judge that reads it well replies.
    """

    text: str
    reply: str


Maker = Callable[[Question, Sequence[Question], bool, random.Random], Statement | None]


def graded(question: Question, others: Sequence[Question], is_right: bool, dice: random.Random) -> Statement | None:
    """For a judge that gives a score from 0 to 1: both ends of it."""
    way = dice.choice(_WAYS)
    if is_right:
        whole = dice.choice(question.truth.split("<OR>"))
        return Statement(way.format(answer=_spoken(whole)), "1.0")
    for _ in range(_TRIES):
        other = dice.choice(dice.choice(others).truth.split("<OR>"))
        text = dice.choice(_SAYS_NOTHING) if dice.random() < 0.2 else way.format(answer=_spoken(other))
        if _is_beyond_doubt_wrong(question, text):
            return Statement(text, "0.0")
    return None


def extracted(question: Question, others: Sequence[Question], is_right: bool, dice: random.Random) -> Statement | None:
    """For a judge that reads out what the answer is."""
    own = question.row.get("choices")
    pool = [str(each) for each in own] if isinstance(own, list) and own else []
    answer = question.truth if is_right else dice.choice(pool or [other.truth for other in others])
    return Statement(dice.choice(_WAYS).format(answer=answer), answer)


def matched(question: Question, others: Sequence[Question], is_right: bool, dice: random.Random) -> Statement | None:
    """For a judge that says which option a response means, where rules can't tell."""
    options = {name: str(question.row[name]) for name in _OPTIONS if _is_there(question.row.get(name))}
    wrong = [name for name in options if name != question.truth]
    if question.truth not in options or not wrong:
        return extracted(question, others, is_right, dice)
    meant = question.truth if is_right else dice.choice(wrong)
    other = dice.choice([name for name in options if name != meant])
    text = dice.choice(_BETWEEN).format(answer=options[meant], other=options[other])
    return Statement(text, meant)


MAKERS: Final[Mapping[Literal["none", "extraction", "fallback", "always"], Maker]] = {
    "always": graded,
    "extraction": extracted,
    "fallback": matched,
}
"""By what a benchmark needs its judge for."""


def _is_there(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() not in ("", "nan")


def _spoken(truth: str) -> str:
    return " and ".join(part.strip() for part in truth.split("<AND>"))


def _is_beyond_doubt_wrong(question: Question, text: str) -> bool:
    """No part of the truth is said, nor anything that the rules would take for it."""
    parts = [part.strip() for part in re.split("<AND>|<OR>", question.truth)]
    said = text.casefold()
    return not any(
        not part
        or part.casefold() in said
        or (said.strip() and said.strip() in part.casefold())
        or judge_answer(part, text, question=question.text).correct
        for part in parts
    )
