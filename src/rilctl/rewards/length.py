"""`type = "length"`: a penalty on long responses."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rilctl.rewards.base import RewardRow, RewardTable, Score


class LengthReward(RewardTable):
    """0 up to a budget of tokens; beyond it, evenly down to -1 at `train.sampling.max_new_tokens`."""

    type: Literal["length"] = "length"
    budget_tokens: Annotated[int, Field(gt=0)]
    """Longest response without a penalty, in the student's tokens."""

    def check(self, max_new_tokens: int) -> None:
        """See `RewardTable`."""
        if self.budget_tokens >= max_new_tokens:
            raise ValueError(
                f"budget_tokens must be < sampling.max_new_tokens = {max_new_tokens}: no response is longer"
            )

    def open(self, base_dir: Path) -> Score:
        """See `RewardTable`."""
        return partial(length_penalties, budget_tokens=self.budget_tokens)


REWARD = LengthReward


def length_penalties(rows: Sequence[RewardRow], *, budget_tokens: int) -> list[float]:
    """`-(n - budget) / (max - budget)` for n tokens beyond the budget, 0 below it; in [-1, 0].

    Source: the soft overlong punishment of DAPO (2503.14476, equation 13), with `L_max` the most that is sampled and
    `L_cache` what lies between budget and that.
    """
    return [-max(0, row.num_tokens - budget_tokens) / (row.max_tokens - budget_tokens) for row in rows]
