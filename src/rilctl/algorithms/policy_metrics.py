"""What is logged of a policy's batch: sums over tokens, which micro-batches and ranks add up before means are taken.

They stay on the device, so that a step asks it for its metrics once. What stands at a masked token or in a row without
a reward is never read. Shapes: B rows, R response tokens.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from rilctl.algorithms.loss_parts import OBJECTIVES
from rilctl.algorithms.policy_loss import importance_ratios, k3


@torch.no_grad()
def policy_sums(
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
    ratio_level: Literal["token", "sequence"] = "token",
    kl_rows: Literal["student", "all"] = "student",
    objective: str = "clipped_ratio",
    weights_BR: Tensor | None = None,
    of_students_BR: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Sums over the tokens of side student and teacher that are masked in and rewarded, in float64.

    Args are those of `policy_loss`; and `of_students_BR`: by name, values to sum over student tokens as well.

    Returns:
        For SIDE student and teacher `num_SIDE_tokens`, and sums `SIDE_logprob`, `SIDE_kl` (k3, with a reference, of a
        side that pays it), `SIDE_importance_ratio` and `SIDE_clip_fraction` (with frozen log-probabilities),
        `student_NAME` of `of_students_BR`. Which names there are depends on options alone, not on rows.
    """
    counts_BR = response_mask_BR & rewarded_mask_B[:, None]
    policy_BR = policy_logprobs_BR.masked_fill(~counts_BR, 0.0)
    student_BR = dict(of_students_BR or {}) | {"logprob": policy_BR}
    teacher_BR = {"logprob": policy_BR}
    if frozen_logprobs_BR is not None:
        log_ratio_BR = policy_BR - frozen_logprobs_BR.masked_fill(~counts_BR, 0.0)
        ratio_BR = importance_ratios(log_ratio_BR, counts_BR, ratio_level)
        advantages_BR = advantages_B[:, None] * (1.0 if weights_BR is None else weights_BR)
        _, clipped_BR = OBJECTIVES[objective](ratio_BR, policy_BR, advantages_BR, 1 - clip_low, 1 + clip_high)
        of_ratio_BR = {"importance_ratio": ratio_BR, "clip_fraction": clipped_BR}
        student_BR |= of_ratio_BR
        teacher_BR |= of_ratio_BR
    if ref_logprobs_BR is not None:
        kl_BR = k3(policy_BR, ref_logprobs_BR.masked_fill(~counts_BR, 0.0))
        student_BR["kl"] = kl_BR
        teacher_BR |= {"kl": kl_BR} if kl_rows == "all" else {}
    sums = {}
    for side, side_mask_B, values in (
        ("student", ~teacher_mask_B, student_BR),
        ("teacher", teacher_mask_B, teacher_BR),
    ):
        tokens_BR = counts_BR & side_mask_B[:, None]
        sums[f"num_{side}_tokens"] = tokens_BR.sum(dtype=torch.float64)
        for name, values_BR in values.items():
            sums[f"{side}_{name}"] = values_BR.masked_fill(~tokens_BR, 0).sum(dtype=torch.float64)
    return sums


def policy_means(sums: Mapping[str, float], counts: Mapping[str, str | None]) -> dict[str, float]:
    """The metrics of a whole batch: its sums, and means over tokens; a mean over none is absent.

    Args:
        sums: of `policy_sums` and others, added up over micro-batches and ranks.
        counts: for each name that is wanted, which of the sums counts what it is a mean over; None: it is no mean.
    """
    found = {}
    for name, count in counts.items():
        num = 1.0 if count is None else sums[count]
        if num:
            found[name] = sums[name] / num
    return found
