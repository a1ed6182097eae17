"""Rewards and advantages of a step's rows.

Shapes: B groups, G rows of the largest group.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan

import torch
from torch import Tensor

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.rewards import MaskedRewards, combine_rewards, similarity_rewards
from rilctl.config.pretrain_disc import DiscLossName
from rilctl.config.train import TrainConfig
from rilctl.errors import RilctlError
from rilctl.schemas.records import response_digest
from rilctl.stages.train.rows import Group, Row

Value = Callable[[Row], float | None]


def not_judged(groups: Sequence[Group], prepaid: Mapping[str, bool]) -> list[tuple[Group, Row]]:
    """The rows that the judge is to be asked about; of the others, the answer reward is filled in.

    Args:
        groups: their rows.
        prepaid: verdicts on teachers' responses, by response digest.
    """
    asked = []
    for group in groups:
        sample = group.sample
        for row in group.rows:
            known = prepaid.get(response_digest(sample.question, sample.answer, row.text))
            if row.side == "teacher" and known is not None:
                row.rewards["answer"] = float(known)
            else:
                asked.append((group, row))
    return asked


def are_enough(num_verdicts: int, num_rows: int, config: TrainConfig) -> bool:
    """Whether no more verdicts are missing than the recipe allows."""
    return num_rows - num_verdicts <= config.max_missing_verdicts * num_rows


def refuse_missing(verdicts: Sequence[bool | None], num_rows: int, config: TrainConfig) -> None:
    """Raise `RilctlError` where more of a step's verdicts are missing than the recipe allows.

    Args:
        verdicts: what the judge said where it was asked.
        num_rows: of the step, prepaid ones included.
        config: how many may be missing.
    """
    num_missing = sum(verdict is None for verdict in verdicts)
    if not are_enough(num_rows - num_missing, num_rows, config):
        raise RilctlError(
            f"the judge gave no verdict on {num_missing / num_rows:.0%} of a step's rows, "
            f"`max_missing_verdicts` is {config.max_missing_verdicts:.0%}",
            hint="look at the judge; the same command goes on from the last checkpoint",
        )


def assign_rewards(groups: Sequence[Group], config: TrainConfig, disc_loss: DiscLossName | None) -> None:
    """Similarity rewards, the weighted sum of all rewards, and the group's advantages.

    Args:
        groups: rows with the rewards that others give; filled in here.
        config: which rewards count for how much, and how advantages are made.
        disc_loss: how the discriminator's logits are read; None: there is no discriminator.

    Raises:
        RilctlError: a row's sum isn't finite.
    """
    if not groups:
        return
    if disc_loss is not None:
        _assign_similarity(groups, disc_loss)
    parts = {name: MaskedRewards(*_grid(groups, _reward_named(name))) for name in config.reward_weights}
    rewards = combine_rewards(parts, config.reward_weights)
    _refuse_infinite(groups, rewards)
    in_policy_BG = _grid(groups, lambda row: float(row.in_policy))[0].bool()
    advantage_of = ADVANTAGES[config.algorithm.record.advantage]
    advantages_BG, skipped_B = advantage_of(rewards.rewards_BG, rewards.rewarded_mask_BG & in_policy_BG)
    for b, group in enumerate(groups):
        for g, row in enumerate(group.rows):
            if rewards.rewarded_mask_BG[b, g] and not (row.in_policy and skipped_B[b]):
                row.reward = float(rewards.rewards_BG[b, g])
            row.advantage = float(advantages_BG[b, g])


def _assign_similarity(groups: Sequence[Group], disc_loss: DiscLossName) -> None:
    """From the rows' logits."""
    row_mask_BG = _grid(groups, lambda row: 1.0)[1]
    teacher_BG = _grid(groups, lambda row: float(row.side == "teacher"))[0].bool()
    logits_BG = _grid(groups, lambda row: nan if row.disc_logit is None else row.disc_logit)[0]
    similarity = similarity_rewards(logits_BG, row_mask_BG, teacher_BG, disc_loss)
    for b, group in enumerate(groups):
        for g, row in enumerate(group.rows):
            if similarity.rewarded_mask_BG[b, g]:
                row.rewards["similarity"] = float(similarity.rewards_BG[b, g])


def _reward_named(name: str) -> Value:
    return lambda row: row.rewards.get(name)


def _refuse_infinite(groups: Sequence[Group], rewards: MaskedRewards) -> None:
    """Large rewards, each finite in Python's numbers, may have a sum that isn't in the tensor's."""
    for b, g in (~rewards.rewards_BG.isfinite()).nonzero().tolist():
        raise RilctlError(
            f"the rewards of a {groups[b].rows[g].side} row of question `{groups[b].sample.id}` sum to "
            f"{float(rewards.rewards_BG[b, g])}",
            hint="smaller rewards, or smaller weights in `[train.rewards]`",
        )


def _grid(groups: Sequence[Group], value: Value) -> tuple[Tensor, Tensor]:
    """A value of every row as (values_BG, mask_BG): False where there is no row or no value."""
    width = max(len(group.rows) for group in groups)
    values = [[value(row) for row in group.rows] + [None] * (width - len(group.rows)) for group in groups]
    mask_BG = torch.tensor([[v is not None for v in line] for line in values])
    return torch.tensor([[0.0 if v is None else v for v in line] for line in values]), mask_BG
