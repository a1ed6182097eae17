"""The parts of a policy's loss that an algorithm's record names: objective, weighting and denominator.

An objective takes each token alone, so that a loss may be computed a chunk of tokens at a time. Shapes: B rows, R
response tokens.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

ObjectiveFunction = Callable[[Tensor, Tensor, Tensor, float, float], tuple[Tensor, Tensor]]
"""`(ratio_BR, policy_logprobs_BR, advantages_BR, low, high) -> (objective_BR, clipped_BR)`; see `clipped_ratio`."""


def clipped_ratio(
    ratio_BR: Tensor, policy_logprobs_BR: Tensor, advantages_BR: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """`min(r A, clip(r, low, high) A)`: no gradient where the ratio is past the bound that its advantage drives it to.

    Source: PPO (1707.06347); with `high - 1 > 1 - low` it is DAPO's clip-higher (2503.14476).

    Args:
        ratio_BR: importance ratio r, with gradient.
        policy_logprobs_BR: not read here.
        advantages_BR: A, higher is better.
        low: lower bound of the ratio.
        high: upper bound of the ratio.

    Returns:
        objective_BR, higher is better; clipped_BR, bool, the tokens on which a bound acts.
    """
    clipped_BR = ratio_BR.clamp(low, high)
    objective_BR = torch.minimum(ratio_BR * advantages_BR, clipped_BR * advantages_BR)
    return objective_BR, (ratio_BR - clipped_BR) * advantages_BR > 0


def clipped_weight(
    ratio_BR: Tensor, policy_logprobs_BR: Tensor, advantages_BR: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """`sg[clip(r, low, high)] A log pi`, with no gradient through the weight: every token has one through `log pi`.

    Source: CISPO (MiniMax-M1, 2506.13585), which leaves out the lower bound: `low` = 0. Equal to TRL 1.16's `cispo`
    with `epsilon_high` = `high`.

    Args:
        ratio_BR: importance ratio r; its gradient isn't used.
        policy_logprobs_BR: `log pi`, with gradient.
        advantages_BR: A, higher is better.
        low: lower bound of the weight.
        high: upper bound of the weight.

    Returns:
        As `clipped_ratio`.
    """
    weight_BR = ratio_BR.detach().clamp(low, high)
    return weight_BR * advantages_BR * policy_logprobs_BR, (weight_BR != ratio_BR) & (advantages_BR != 0)


OBJECTIVES: Mapping[str, ObjectiveFunction] = {"clipped_ratio": clipped_ratio, "clipped_weight": clipped_weight}


def by_token(response_mask_BR: Tensor) -> Tensor:
    """1: each token counts the same, and the loss is a sum over tokens (Dr.GRPO, 2503.20783; DAPO, 2503.14476)."""
    return response_mask_BR.new_ones(len(response_mask_BR), dtype=torch.long)


def by_row(response_mask_BR: Tensor) -> Tensor:
    """The row's length: each row counts the same, a token of a long one less (GRPO, 2402.03300; GSPO, 2507.18071)."""
    return response_mask_BR.sum(dim=1).clamp(min=1)


WEIGHTINGS: Mapping[str, Callable[[Tensor], Tensor]] = {"token": by_token, "row": by_row}
"""By name: `response_mask_BR -> divisor_B` of each row's sum: how much a token counts."""


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
"""By name: what the whole batch's sum is divided by."""
