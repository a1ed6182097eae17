"""The policy's loss: clipped objective on student and teacher rows, minus a KL penalty.

Shapes: B rows, R response tokens.
Masks are bool. What stands at a masked token or in a row without a reward is never read, not even NaN or infinity, and
gets a gradient of exactly 0. Nothing here asks the device for a value; what is logged beside is in `policy_metrics`.
"""

from typing import Literal

import torch
from torch import Tensor

from rilctl.algorithms.loss_parts import OBJECTIVES, WEIGHTINGS


def policy_loss(
    policy_logprobs_BR: Tensor,
    frozen_logprobs_BR: Tensor | None,
    ref_logprobs_BR: Tensor | None,
    advantages_B: Tensor,
    response_mask_BR: Tensor,
    teacher_mask_B: Tensor,
    rewarded_mask_B: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    kl_beta: float,
    denominator: float,
    ratio_level: Literal["token", "sequence"] = "token",
    kl_rows: Literal["student", "all"] = "student",
    objective: str = "clipped_ratio",
    loss_weighting: str = "token",
    weights_BR: Tensor | None = None,
) -> Tensor:
    """`-sum over rows and tokens of [objective - beta KL] / denominator`, to be minimised.

    Sources: RIL (2510.19307), and those of the objectives and weightings; without teacher rows equal to TRL 1.16's
    `GRPOTrainer._compute_loss`. `r = exp(policy - frozen)`, the student's probabilities for teacher rows too. KL is k3,
    `exp(d) - d - 1` with `d = ref - policy` (Schulman, "Approximating KL Divergence").

    Args:
        policy_logprobs_BR: with gradient.
        frozen_logprobs_BR: of the policy before this batch's first update, same tokens. None: this is that update, so
            r = 1 and a token's gradient is `-A grad policy`: imitation, weighted by advantage, in teacher rows.
        ref_logprobs_BR: of the reference; not read in rows that pay no KL. None: no KL, which needs `kl_beta` 0.
        advantages_B: higher is better.
        response_mask_BR: True for the response's tokens.
        teacher_mask_B: True for teacher rows.
        rewarded_mask_B: False for rows without a verdict and for skipped groups: they add neither objective nor KL.
        clip_low: the objective bounds r below by 1 - clip_low.
        clip_high: and above by 1 + clip_high.
        kl_beta: weight of the KL.
        denominator: what a function of `DENOMINATORS` makes of the global batch. Micro-batches that share it add up to
            the loss of one large batch.
        ratio_level: `sequence`: r is the exponential of the response's mean log-ratio (GSPO, 2507.18071).
        kl_rows: the rows that pay the KL.
        objective: of `OBJECTIVES`.
        loss_weighting: of `WEIGHTINGS`: what each row's sum is divided by first.
        weights_BR: of each token's objective, not of its KL, >= 0, as from `sampler_weights`. None: 1.

    Raises:
        ValueError: `denominator` is not positive, or `kl_beta` is not 0 without a reference.
    """
    if not denominator > 0:
        raise ValueError(f"denominator must be > 0, got {denominator}")
    if ref_logprobs_BR is None and kl_beta != 0:
        raise ValueError("kl_beta needs ref_logprobs_BR")
    counts_BR = response_mask_BR & rewarded_mask_B[:, None]
    advantages_BR = (advantages_B[:, None] * (1.0 if weights_BR is None else weights_BR)).expand_as(counts_BR)
    policy_BR = policy_logprobs_BR.masked_fill(~counts_BR, 0.0)

    frozen_BR = policy_BR.detach() if frozen_logprobs_BR is None else frozen_logprobs_BR.masked_fill(~counts_BR, 0.0)
    ratio_BR = importance_ratios(policy_BR - frozen_BR, counts_BR, ratio_level)
    objective_BR, _ = OBJECTIVES[objective](ratio_BR, policy_BR, advantages_BR, 1 - clip_low, 1 + clip_high)

    if ref_logprobs_BR is not None and kl_beta != 0:
        pays_BR = counts_BR if kl_rows == "all" else counts_BR & ~teacher_mask_B[:, None]
        kl_BR = k3(policy_BR.masked_fill(~pays_BR, 0.0), ref_logprobs_BR.masked_fill(~pays_BR, 0.0))
        objective_BR = objective_BR - kl_beta * kl_BR

    row_sums_B = objective_BR.masked_fill(~counts_BR, 0.0).sum(dim=1) / WEIGHTINGS[loss_weighting](response_mask_BR)
    return -row_sums_B.sum() / denominator


def importance_ratios(log_ratio_BR: Tensor, counts_BR: Tensor, level: Literal["token", "sequence"]) -> Tensor:
    """ratio_BR, the exponential of each token's log-ratio or of its row's mean over the tokens that count.

    Args:
        log_ratio_BR: 0 at tokens that don't count.
        counts_BR: True at those that do.
        level: see `policy_loss`.
    """
    if level == "sequence":
        mean_B1 = log_ratio_BR.sum(dim=1, keepdim=True) / counts_BR.sum(dim=1, keepdim=True).clamp(min=1)
        log_ratio_BR = mean_B1.expand_as(log_ratio_BR)
    return log_ratio_BR.exp()


def k3(policy_logprobs_BR: Tensor, ref_logprobs_BR: Tensor) -> Tensor:
    """`exp(d) - d - 1` with `d = ref - policy`, in nats, >= 0."""
    log_ref_ratio_BR = ref_logprobs_BR - policy_logprobs_BR
    return torch.expm1(log_ref_ratio_BR) - log_ref_ratio_BR
