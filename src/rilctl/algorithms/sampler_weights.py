"""Importance weights for tokens that another engine sampled. Shapes: B rows, R response tokens."""

from typing import Literal

import torch
from torch import Tensor


def sampler_weights(
    policy_logprobs_BR: Tensor,
    sampling_logprobs_BR: Tensor,
    response_mask_BR: Tensor,
    student_mask_B: Tensor,
    *,
    level: Literal["token", "sequence"] = "token",
    mode: Literal["truncate", "mask"] = "truncate",
    cap: float = 2.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """`w = exp(policy - sampler)`, cut at `cap`: what a sampled token counts for in the trained policy's gradient.

    An engine with other kernels or a lower precision samples from a distribution that is slightly another than the
    trainer's with the same weights; the mean over its samples of `w f` is the trainer's mean of `f`. Cutting large
    weights trades a bias for a bounded variance: truncated importance sampling (Ionides 2008; for this use Yao et al.,
    "Your efficient RL framework secretly brings you off-policy RL training", 2025), or masking (IcePop, 2025).

    Args:
        policy_logprobs_BR: of the trainer's policy before this batch's first update; no gradient flows.
        sampling_logprobs_BR: of the same tokens as the engine computed them; not read outside student rows.
        response_mask_BR: True for the response's tokens.
        student_mask_B: False for teacher rows, which no engine sampled: their weight is 1.
        level: `sequence`: every token of a row has the product of the row's ratios.
        mode: what becomes of a weight above the cap: the cap (`truncate`) or 0 (`mask`).
        cap: largest weight, > 0.

    Returns:
        weights_BR, without gradient, 1 outside student tokens; and means over student tokens (empty where there are
        none): `mismatch_kl`, k3 of the sampler from the policy in nats, >= 0; `weight` and `squared_weight`, from which
        the effective sample size is `weight ** 2 / squared_weight`, a share of all tokens; `cut_share`, tokens whose
        weight was above the cap.

    Raises:
        ValueError: `cap` is not positive.
    """
    if not cap > 0:
        raise ValueError(f"cap must be > 0, got {cap}")
    counts_BR = response_mask_BR & student_mask_B[:, None]
    log_ratio_BR = (policy_logprobs_BR.detach() - sampling_logprobs_BR).masked_fill(~counts_BR, 0.0)
    of_row_B1 = log_ratio_BR.sum(dim=1, keepdim=True)
    ratio_BR = (of_row_B1.expand_as(log_ratio_BR) if level == "sequence" else log_ratio_BR).exp()
    is_cut_BR = ratio_BR > cap
    weights_BR = torch.where(is_cut_BR, cap if mode == "truncate" else 0.0, ratio_BR)
    weights_BR = torch.where(counts_BR, weights_BR, 1.0)
    if not counts_BR.any():
        return weights_BR, {}
    means_BR = {
        "mismatch_kl": torch.expm1(log_ratio_BR) - log_ratio_BR,
        "weight": weights_BR,
        "squared_weight": weights_BR**2,
        "cut_share": is_cut_BR.to(weights_BR.dtype),
    }
    return weights_BR, {name: values_BR[counts_BR].mean() for name, values_BR in means_BR.items()}
