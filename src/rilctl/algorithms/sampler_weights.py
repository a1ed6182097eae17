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
) -> Tensor:
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
        weights_BR, without gradient, 1 outside student tokens.

    Raises:
        ValueError: `cap` is not positive.
    """
    if not cap > 0:
        raise ValueError(f"cap must be > 0, got {cap}")
    counts_BR = response_mask_BR & student_mask_B[:, None]
    ratio_BR = _ratios(_log_ratios(policy_logprobs_BR, sampling_logprobs_BR, counts_BR), level)
    weights_BR = torch.where(ratio_BR > cap, cap if mode == "truncate" else 0.0, ratio_BR)
    return torch.where(counts_BR, weights_BR, 1.0)


def sampler_metrics(
    policy_logprobs_BR: Tensor,
    sampling_logprobs_BR: Tensor,
    response_mask_BR: Tensor,
    student_mask_B: Tensor,
    weights_BR: Tensor,
    *,
    level: Literal["token", "sequence"] = "token",
    cap: float = 2.0,
) -> dict[str, Tensor]:
    """What is logged of the weights that `sampler_weights` made of the same arguments: values_BR, without gradient.

    Returns:
        By name, what is to be averaged over student tokens (elsewhere it means nothing): `mismatch_kl`, k3 of the
        sampler from the policy in nats, >= 0; `weight` and `squared_weight`, from whose means the effective sample size
        is `weight ** 2 / squared_weight`, a share of all tokens; `cut_share`, whether the weight was above the cap.
    """
    counts_BR = response_mask_BR & student_mask_B[:, None]
    log_ratio_BR = _log_ratios(policy_logprobs_BR, sampling_logprobs_BR, counts_BR)
    return {
        "mismatch_kl": torch.expm1(log_ratio_BR) - log_ratio_BR,
        "weight": weights_BR,
        "squared_weight": weights_BR**2,
        "cut_share": _ratios(log_ratio_BR, level) > cap,
    }


def _log_ratios(policy_BR: Tensor, sampling_BR: Tensor, counts_BR: Tensor) -> Tensor:
    """Policy minus sampler where that counts, 0 elsewhere."""
    return (policy_BR.detach() - sampling_BR).masked_fill(~counts_BR, 0.0)


def _ratios(log_ratio_BR: Tensor, level: Literal["token", "sequence"]) -> Tensor:
    if level == "sequence":
        log_ratio_BR = log_ratio_BR.sum(dim=1, keepdim=True).expand_as(log_ratio_BR)
    return log_ratio_BR.exp()
