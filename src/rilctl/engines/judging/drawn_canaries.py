"""Canaries that are made of the rows that are judged, so that a judge can't tell them from rows.

A row's question and ground truth get a response whose verdict is known: the ground truth of another row, or another
row's response, in the same words as a right answer would have; a trick of `canaries`; for right ones the ground truth,
or a response that the rules call right. What the rules don't agree with is left out: its verdict would be in doubt.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.canaries import CANARIES, TRICKS, Canary, Item
from rilctl.engines.judging.rule import judge_answer
from rilctl.schemas.answers import accepted_answers

_MOST_ROWS = 512
_TRIES = 20
"""For each canary that is wanted; a few rows make no more of them."""
_WAYS: tuple[Callable[[str], str], ...] = (
    lambda answer: answer,
    lambda answer: f"The answer is {answer}.",
    lambda answer: f"Answer: {answer}",
    lambda answer: f"Looking at it closely, I am sure. The final answer is {answer}.",
    lambda answer: f"<answer>{answer}</answer>",
)
"""How a right answer and a wrong one are said."""


class DrawnCanaries:
    """Draws canaries from the newest rows.

    Args:
        dice: whose numbers a judge can't foresee.
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._rows: list[JudgeRequest] = []

    def learn(self, rows: Sequence[JudgeRequest]) -> None:
        """Take rows to draw from."""
        usable = [row for row in rows[-_MOST_ROWS:] if accepted_answers(row.answer)[0].strip()]
        self._rows = [*self._rows, *usable][-_MOST_ROWS:]

    def draw(self, num_wrong: int, num_right: int, put: Sequence[Canary] = ()) -> list[Canary]:
        """So many canaries, in no order, each once.

        Args:
            num_wrong: whose response is wrong.
            num_right: whose response is right.
            put: those that were put before; they come again only where there are too few others.
        """
        seen = {canary.request for canary in put}
        found = [
            canary
            for num, is_right in ((num_wrong, False), (num_right, True))
            for canary in islice(self._of_a_side(num, seen, is_right=is_right), num)
        ]
        self._dice.shuffle(found)
        return found

    def _of_a_side(self, num: int, seen: set[JudgeRequest], *, is_right: bool) -> Iterator[Canary]:
        for _ in range(num * _TRIES if self._rows else 0):
            canary = self._right() if is_right else self._wrong()
            if canary.request not in seen and _is_right(canary.request, canary.request.response) is is_right:
                seen.add(canary.request)
                yield canary
        known = [canary for canary in CANARIES if canary.is_right == is_right]
        self._dice.shuffle(known)
        yield from sorted(known, key=lambda canary: canary.request in seen)
        while True:
            yield self._dice.choice(known)

    def _right(self) -> Canary:
        row = self._dice.choice(self._rows)
        way = self._dice.choice((*_WAYS, None))
        return Canary("right", row if way is None else _answered(row, way(_truth(row))), is_right=True)

    def _wrong(self) -> Canary:
        row = self._dice.choice(self._rows)
        other = self._other(row)
        if self._dice.random() < 0.5:
            response = self._dice.choice(_WAYS)(_truth(other))
            if self._dice.random() < 0.5 and _is_right(other, other.response):  # so it is known what it says
                response = other.response
            return Canary("another row's answer", _answered(row, response), is_right=False)
        kind, third = self._dice.choice([*TRICKS]), self._other(row)
        item = Item(row.question, _truth(row), _truth(other), ())
        response = TRICKS[kind](item, Item(third.question, _truth(third), "", ()))
        return Canary(kind, _answered(row, response), is_right=False)

    def _other(self, row: JudgeRequest) -> JudgeRequest:
        """A row with another answer; one of the known cases where there is none."""
        some = (self._dice.choice(self._rows) for _ in range(_TRIES))
        known = (self._dice.choice(CANARIES).request for _ in range(_TRIES))
        return next((other for other in (*some, *known) if not _is_right(row, _truth(other))), CANARIES[0].request)


def _is_right(row: JudgeRequest, response: str) -> bool | None:
    return judge_answer(row.answer, response, question=row.question).correct


def _truth(row: JudgeRequest) -> str:
    return accepted_answers(row.answer)[0]


def _answered(row: JudgeRequest, response: str) -> JudgeRequest:
    return replace(row, response=response)
