"""What a policy's loss maximises of each token: forms of a clipped objective.

An objective takes each token alone, so that a loss may be computed a chunk of tokens at a time. Shapes: B rows, R
response tokens.
"""

from collections.abc import Callable, Mapping

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
