"""Whether a discriminator looks, from logits of rows that it has not learned from.

Shapes: S responses of teachers. Sign: logits are high for what is no teacher's.
"""

import torch
from torch import Tensor


@torch.no_grad()
def swap_metrics(swapped_logits_S: Tensor, own_logits_S: Tensor) -> dict[str, float]:
    """Whether the picture tells: a teacher's response beside a swapped picture against the same beside its own.

    Both are alike in length and style, so a discriminator that doesn't look gets 0.5.

    Args:
        swapped_logits_S: of responses beside swapped pictures; S of them.
        own_logits_S: of the same responses beside their own.

    Returns:
        Always `num_swapped`, pairs of finite logits; where there are any `swap_auc`, the share of pairs whose swapped
        one has the higher logit, ties half, and `swap_margin`, the mean difference.
    """
    known_S = swapped_logits_S.isfinite() & own_logits_S.isfinite()
    margins_S = (swapped_logits_S[known_S] - own_logits_S[known_S]).double()
    metrics = {"num_swapped": float(margins_S.numel())}
    if margins_S.numel():
        metrics["swap_auc"] = float(((margins_S > 0).double() + (margins_S >= 0).double()).mean() / 2)
        metrics["swap_margin"] = float(margins_S.mean())
    return metrics
