"""What every reward of a recipe's own is: a table with a weight, and a function from rows to numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from rilctl.schemas.base import StrictModel

if TYPE_CHECKING:
    from pathlib import Path

    from rilctl.data.sample import ImageRef

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class RewardRow:
    """One response that is to be scored, a student's or a teacher's.

    Args:
        sample_id: the question's id in its data set.
        question: as asked, without chat template.
        answer: the ground truth; `schemas.answers.accepted_answers` gives those that it accepts. Empty: there is none.
        response: the text, special tokens removed.
        images: the question's pictures, in order; `load()` decodes one as RGB.
        num_tokens: length of the response in the student's tokens, EOS included.
        max_tokens: the longest that it could have been, `train.sampling.max_new_tokens`.
    """

    sample_id: str
    question: str
    answer: str
    response: str
    images: tuple[ImageRef, ...]
    num_tokens: int
    max_tokens: int


Score = Callable[[Sequence[RewardRow]], Iterable[float | None]]
"""From rows to one number for each, in order; None: no verdict."""


class RewardTable(StrictModel):
    """What each kind of reward has; a kind is one subclass, the `REWARD` of a file in this folder."""

    weight: Weight = 1.0
    """Factor in the sum of a row's rewards. 0: it is measured, and nothing is learned from it."""

    @abstractmethod
    def open(self, base_dir: Path) -> Score:
        """What scores rows.

        Args:
            base_dir: folder that relative paths of the recipe start from.

        Raises:
            RilctlError: code that it needs can't be found or imported.
        """

    def check(self, max_new_tokens: int) -> None:
        """Raise `ValueError` where it makes no sense with so many tokens for a response."""

    def source(self, base_dir: Path) -> Path | None:
        """The file that says what it computes, where the recipe alone doesn't; nothing is executed.

        Raises:
            RilctlError: there is no such file, or it lacks what the recipe names.
        """
        return None
