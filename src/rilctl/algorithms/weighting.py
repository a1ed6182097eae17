"""How much a token counts in the policy's loss, and what the whole batch's sum is divided by.

Shapes: B rows, R response tokens.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


def by_token(response_mask_BR: Tensor) -> Tensor:
    """1: each token counts the same, and the loss is a sum over tokens (Dr.GRPO, 2503.20783; DAPO, 2503.14476)."""
    return response_mask_BR.new_ones(len(response_mask_BR), dtype=torch.long)


def by_row(response_mask_BR: Tensor) -> Tensor:
    """The row's length: each row counts the same, a token of a long one less (GRPO, 2402.03300; GSPO, 2507.18071)."""
    return response_mask_BR.sum(dim=1).clamp(min=1)


WEIGHTINGS: Mapping[str, Callable[[Tensor], Tensor]] = {"token": by_token, "row": by_row}
"""By name: `response_mask_BR -> divisor_B` of each row's sum."""


class BatchSize(NamedTuple):
    """Of the policy's rows in the global batch, unrewarded ones included.

    Args:
        num_rows: > 0.
        num_tokens: response tokens of all rows.
        budget_tokens: of a response at most.
    """

    num_rows: int
    num_tokens: int
    budget_tokens: int


def rows_times_budget(size: BatchSize) -> float:
    """A constant from step to step, so that long responses aren't favoured: Dr.GRPO (2503.20783)."""
    return float(size.num_rows * size.budget_tokens)


def all_rows(size: BatchSize) -> float:
    """The mean over rows: GRPO (2402.03300), GSPO (2507.18071)."""
    return float(size.num_rows)


def all_tokens(size: BatchSize) -> float:
    """The mean over tokens: DAPO (2503.14476), CISPO (2506.13585)."""
    return float(max(1, size.num_tokens))


DENOMINATORS: Mapping[str, Callable[[BatchSize], float]] = {
    "budget": rows_times_budget,
    "rows": all_rows,
    "tokens": all_tokens,
}
