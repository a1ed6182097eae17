"""What a kind of answer can do."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Any


class Doubt(Enum):
    """Why a sentence has no one value."""

    SEVERAL = "several"


SEVERAL = Doubt.SEVERAL
"""A sentence names several values, or one that something else in it speaks against."""


class Kind(ABC):
    """Reads texts as values of one kind, and compares those.

    Args:
        name: what the verdict's reason calls it.
        joins: several boxes are the items of one list.
        many_lines: an answer may stand on several lines.
        explains: what follows an answer may be a value as well (any explanation is a text).
        is_of_values: of a choice, its options are numbers, and no things that a sentence may speak of.
        keeps_denials: `not red but blue` says something else than `blue`.
        is_closed: a value that is named at all is meant as an answer: yes, no, an option's letter.
    """

    name: str
    joins: bool = False
    many_lines: bool = False
    explains: bool = False
    is_closed: bool = False
    is_of_values: bool = False
    keeps_denials: bool = False

    @abstractmethod
    def whole(self, text: str) -> Any:
        """The value that a (tidy) text is and nothing else, or None."""

    @abstractmethod
    def within(self, sentence: str) -> Any:
        """The one value that a sentence names, None where it names none, `SEVERAL` where it isn't one."""

    def is_bare(self, text: str) -> bool:
        """Whether a text that is a value is short enough to be an answer."""
        return True

    def is_bare_in(self, statement: str, form: str) -> bool:
        """Whether a statement that became the value `form` without its lead-in stands for an answer."""
        return True

    def asked_part(self, statement: str) -> str:
        """The one clause of a statement that speaks of what was asked, as others don't; empty where none does."""
        return ""

    def is_told(self, statement: str) -> bool:
        """Whether a statement answers in the question's words, however long it is."""
        return False

    def is_led(self, statement: str) -> bool:
        """Whether a statement begins with its answer, or repeats the question as one, so that the rest is a reason."""
        return False

    def told(self, statement: str) -> Any:
        """The value with which a statement answers in the question's words, so that others are reasons; or None."""
        return None

    def chooses_another(self, statement: str, value: Any, *, is_before: bool = False) -> bool:
        """Whether a statement behind a value that was told, or before it, takes another one, not only describes it."""
        return False

    def equates(self, statement: str) -> bool:
        """Whether a statement says what the question's own expression is equal to; what came before are steps."""
        return False

    def mislabels(self, line: str) -> bool:
        """Whether a line is a choice and a text or value that isn't its own, or several choices with theirs."""
        return False

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values of one response agree."""
        return bool(one == other)

    def fits(self, truth: Any, given: Any) -> bool:
        """Whether a response's value answers the ground truth's."""
        return self.same(truth, given)
