"""Rewards: fooling the discriminator (similarity) and being right (answer).

A reward is a value with a mask: where the mask is False there is no reward (no verdict, no row, a logit that is NaN),
and the value is 0 and means nothing.

Shapes: B groups, G rows of the largest group (student and teacher rows in any order).
Sign: discriminator logits are high for students, so teacher-like means a low logit.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class MaskedRewards(NamedTuple):
    """Rewards and where they exist; `ADVANTAGES[name](*rewards)` takes the two as they are."""

    rewards_BG: Tensor
    """Floating point, 0 where there is none."""
    rewarded_mask_BG: Tensor
    """Bool, True where the row has a reward."""


def similarity_rewards(
    disc_logits_student_is_high_BG: Tensor,
    row_mask_BG: Tensor,
    teacher_mask_BG: Tensor,
    *,
    logits_have_zero: bool = True,
    is_graded: bool = False,
) -> MaskedRewards:
    """How much a response looks like a teacher's: 1 if its logit is below a threshold, 0 if not.

    RIL (2510.19307): `1[D < 0.5]`, that is a threshold of 0. Bradley-Terry (GAD, 2511.10643) leaves a group's logits
    free up to a constant, so each group has a threshold of its own, the median of its teachers' logits (the mean of the
    middle two where their number is even): a response is teacher-like if it beats the median teacher.

    Args:
        disc_logits_student_is_high_BG: logits of student and teacher rows.
        row_mask_BG: bool; True where there is a row.
        teacher_mask_BG: bool; True for teacher rows. They need not be part of the policy's group.
        logits_have_zero: False for a Bradley-Terry discriminator.
        is_graded: `sigmoid(threshold - logit)` instead: 1/2 at the threshold, and all but nothing to learn from where
            the discriminator can't tell the rows of a group apart.

    Returns:
        rewards in [0, 1]; absent where there is no row or the logit is NaN, and without a zero in groups that have no
        teacher row.
    """
    logits_BG = disc_logits_student_is_high_BG
    threshold_B1 = torch.zeros_like(logits_BG[:, :1])
    if not logits_have_zero:
        teacher_logits_BG = logits_BG.masked_fill(~(teacher_mask_BG & row_mask_BG), torch.nan)
        threshold_B1 = torch.nanquantile(teacher_logits_BG, 0.5, dim=1, keepdim=True)
    rewards_BG = (threshold_B1 - logits_BG).sigmoid() if is_graded else (logits_BG < threshold_B1).to(logits_BG.dtype)
    known_BG = row_mask_BG & ~logits_BG.isnan() & ~threshold_B1.isnan()
    return MaskedRewards(rewards_BG.masked_fill(~known_BG, 0.0), known_BG)


def combine_rewards(parts: Mapping[str, MaskedRewards], weights: Mapping[str, float]) -> MaskedRewards:
    """The weighted sum of named rewards: what an algorithm learns from.

    RIL's (2510.19307) is similarity + answer, in {0, 1, 2}. A row has a sum only if all parts that weigh more than 0
    exist; one that weighs 0 is measured, and never leaves a row without a reward.

    Args:
        parts: by name: what `similarity_rewards` returns; the judge's verdicts, 1 for right; the recipe's own. No
            verdict is False in the mask, whatever the value there.
        weights: of each part, >= 0; at least one is more.

    Raises:
        ValueError: there is no part with a weight.
    """
    weighty = [(part, weights[name]) for name, part in parts.items() if weights[name]]
    if not weighty:
        raise ValueError("a sum of rewards needs one that weighs more than 0")
    mask_BG = torch.stack([part.rewarded_mask_BG for part, _ in weighty]).all(dim=0)
    total_BG = torch.stack([part.rewards_BG * weight for part, weight in weighty]).sum(dim=0)
    return MaskedRewards(torch.where(mask_BG, total_BG, 0.0), mask_BG)
