"""Some rows of many, drawn evenly: what a plan reads of a data set that takes long to read."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

FEW = 2
"""A source of no more than so many times the rows that are wanted is read whole."""


@dataclass(frozen=True)
class Drawn:
    """Which rows of a source were read.

    Args:
        num_rows: of the source.
        numbers: of those that were read, from 0, in order.
        of_usable: whether the source is all that selection leaves, so that how many there are of anything is known.
    """

    num_rows: int
    numbers: Sequence[int]
    of_usable: bool = False

    @property
    def weight(self) -> float:
        """How many rows each one stands for."""
        return self.num_rows / len(self.numbers)


def draw(num_rows: int, most_rows: int | None) -> Drawn | None:
    """One row of each of `most_rows` equal stretches of a source; None: all are read.

    Which one of a stretch is left to chance, always the same: a fixed distance would meet what repeats in the data.
    """
    if most_rows is None or num_rows <= FEW * most_rows:
        return None
    chance = random.Random(0)
    return Drawn(num_rows, [int((place + chance.random()) * num_rows / most_rows) for place in range(most_rows)])
