"""The order in which rows are trained on: a pure function of sizes, seed and step, so a resumed run goes on exactly."""

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def epoch_order(num_rows: int, seed: int, epoch: int) -> list[int]:
    """All row numbers in the shuffled order of one epoch, counted from 0."""
    order: list[int] = _order(num_rows, seed, epoch).tolist()
    return order


def _order(num_rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    rng = random.Random(f"{seed}/{epoch}")
    # `shuffle` may change with Python's version, `random` doesn't
    keys = np.fromiter((rng.random() for _ in range(num_rows)), np.float64, num_rows)
    return np.argsort(keys, kind="stable")


def batches(num_rows: int, rows_per_step: int, seed: int, start_step: int = 0) -> Iterator[tuple[int, ...]]:
    """The rows of every step, without end.

    The epochs' orders follow one another without a gap: a step that begins at the end of one epoch ends in the next,
    and repeats rows where `rows_per_step` is more than there are.

    Args:
        num_rows: rows of the data set; positive.
        rows_per_step: rows of each step; positive.
        seed: names the order.
        start_step: steps that have been taken already; the first tuple is that of the step after them.
    """
    if num_rows < 1 or rows_per_step < 1 or start_step < 0:
        raise ValueError("num_rows and rows_per_step must be positive, start_step not negative")
    epoch, place = divmod(start_step * rows_per_step, num_rows)
    waiting = _order(num_rows, seed, epoch)[place:]
    while True:
        while len(waiting) < rows_per_step:
            epoch += 1
            waiting = np.concatenate([waiting, _order(num_rows, seed, epoch)])
        yield tuple(waiting[:rows_per_step].tolist())
        waiting = waiting[rows_per_step:]
