"""Group advantages: how much better a row's reward is than its group's.

Shapes: B groups, G rows of the largest group. A place without a row (a smaller group) and a row without a reward (no
verdict) look the same: False in `rewarded_mask_BG`; what stands there in `rewards_BG` is never read.
"""

from collections.abc import Callable

import torch
from torch import Tensor

GRPO_STD_EPS = 1e-4
"""Added to the standard deviation, as TRL 1.16 does (`advantages / (std_rewards + 1e-4)`)."""


def dr_grpo_advantages(rewards_BG: Tensor, rewarded_mask_BG: Tensor) -> tuple[Tensor, Tensor]:
    """`A_i = R_i - mean(R)` over the rewarded rows of the group: student and teacher rows together.

    Source: Dr.GRPO (2503.20783), as RIL (2510.19307) uses it on the group of 2G responses; no division by the
    standard deviation.

    Args:
        rewards_BG: floating point; higher is better.
        rewarded_mask_BG: bool; False leaves the row out of the mean.

    Returns:
        advantages_BG, 0 where there is no reward and in skipped groups; skipped_B, True for groups with fewer than
        two rewarded rows. The rows that may act on the policy, by advantage or by KL, are thus
        `rewarded_mask_BG & ~skipped_B[:, None]`.
    """
    centred_BG, learns_BG, skipped_B = _centre(rewards_BG, rewarded_mask_BG)
    return centred_BG.masked_fill(~learns_BG, 0.0), skipped_B


def grpo_advantages(rewards_BG: Tensor, rewarded_mask_BG: Tensor) -> tuple[Tensor, Tensor]:
    """`A_i = (R_i - mean(R)) / (std(R) + 1e-4)` over the rewarded rows of the group.

    Source: GRPO (2402.03300); the standard deviation is unbiased (n - 1) and the epsilon is added to it, as in TRL
    1.16 (`nanstd` and `GRPOTrainer._generate_and_score_completions`).

    Args:
        rewards_BG: floating point; higher is better.
        rewarded_mask_BG: bool; False leaves the row out of mean and standard deviation.

    Returns:
        advantages_BG and skipped_B, as `dr_grpo_advantages`.
    """
    centred_BG, learns_BG, skipped_B = _centre(rewards_BG, rewarded_mask_BG)
    squares_B1 = centred_BG.masked_fill(~learns_BG, 0.0).square().sum(dim=1, keepdim=True)
    std_B1 = (squares_B1 / (learns_BG.sum(dim=1, keepdim=True) - 1).clamp(min=1)).sqrt()
    return (centred_BG / (std_B1 + GRPO_STD_EPS)).masked_fill(~learns_BG, 0.0), skipped_B


AdvantageFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

ADVANTAGES: dict[str, AdvantageFunction] = {"dr_grpo": dr_grpo_advantages, "grpo": grpo_advantages}


def _centre(rewards_BG: Tensor, rewarded_mask_BG: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards minus the group's mean (junk where nothing learns), the rows that learn, the groups that are skipped."""
    num_rewarded_B = rewarded_mask_BG.sum(dim=1)
    skipped_B = num_rewarded_B < 2
    sums_B = torch.where(rewarded_mask_BG, rewards_BG, 0.0).sum(dim=1)
    centred_BG = rewards_BG - (sums_B / num_rewarded_B.clamp(min=1))[:, None]
    return centred_BG, rewarded_mask_BG & ~skipped_B[:, None], skipped_B
