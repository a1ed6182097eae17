"""Rewards and advantages of a step's rows.

What is known of the rows comes as lists, one value for each row of all groups in order; `rewarded` gives the groups
anew, with all of it. Shapes: B groups, G rows of the largest group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import nan

import torch
from torch import Tensor

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.rewards import MaskedRewards, combine_rewards, similarity_rewards
from rilctl.config.train import TrainConfig
from rilctl.errors import RilctlError
from rilctl.rewards.base import RewardRow, Score
from rilctl.rewards.call import score_rows
from rilctl.schemas.records import response_digest
from rilctl.stages.train.rows import Group, Row, rows_of

Values = Sequence[float | None]
"""One for each row of all groups, in order; None: there is none."""


def own_rewards(groups: Sequence[Group], scores: Mapping[str, Score], *, max_tokens: int) -> dict[str, Values]:
    """The recipe's own rewards by name; None: no verdict.

    Args:
        groups: those of this rank.
        scores: what scores rows, by the reward's name.
        max_tokens: the longest response that can be sampled.

    Raises:
        RilctlError: as `score_rows`.
    """
    asked = [
        RewardRow(
            group.sample.id,
            group.sample.question,
            group.sample.answer,
            row.text,
            group.sample.images,
            num_tokens=len(row.token_ids),
            max_tokens=max_tokens,
        )
        for group, row in rows_of(groups)
    ]
    return {name: score_rows(name, score, asked) for name, score in scores.items()} if asked else {}


def known_answers(groups: Sequence[Group], prepaid: Mapping[str, bool]) -> list[bool | None]:
    """Verdicts on rows that were judged before this run; None: the judge is to be asked.

    Args:
        groups: their rows.
        prepaid: verdicts on teachers' responses, by response digest.
    """
    return [
        prepaid.get(
            response_digest(
                group.sample.question, group.sample.answer, row.text, context=group.sample.conversation.context
            )
        )
        if row.side == "teacher"
        else None
        for group, row in rows_of(groups)
    ]


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


def rewarded(
    groups: Sequence[Group],
    given: Mapping[str, Values],
    disc_logits: Values | None,
    config: TrainConfig,
    *,
    logits_have_zero: bool = True,
) -> list[Group]:
    """The groups with their rows' rewards, the weighted sums of them, and the advantages; as they are without rewards.

    Args:
        groups: those of this rank.
        given: the rewards that the judge and the recipe's own functions give, by name.
        disc_logits: of the rows; None: there is no discriminator.
        config: which rewards count for how much, and how advantages are made.
        logits_have_zero: see `similarity_rewards`.

    Raises:
        RilctlError: a row's sum isn't finite.
    """
    if not groups or not config.reward_weights:
        return list(groups)
    values = dict(given)
    if disc_logits is not None:
        is_graded = config.discriminator.reward == "graded"
        values["similarity"] = _similarity(groups, disc_logits, logits_have_zero=logits_have_zero, is_graded=is_graded)
    parts = {name: MaskedRewards(*_grid(groups, values[name])) for name in config.reward_weights}
    if "answer" in parts and config.learns_without_truth:
        parts["answer"] = _excused(groups, parts["answer"])
    rewards = combine_rewards(parts, config.reward_weights)
    _refuse_infinite(groups, rewards)
    in_policy_BG = _grid(groups, [float(row.in_policy) for _, row in rows_of(groups)])[0].bool()
    advantage_of = ADVANTAGES[config.algorithm.record.advantage]
    advantages_BG, skipped_B = advantage_of(rewards.rewards_BG, rewards.rewarded_mask_BG & in_policy_BG)
    found, place = list[Group](), 0
    for b, group in enumerate(groups):
        rows = list[Row]()
        for g, row in enumerate(group.rows):
            is_learned = bool(rewards.rewarded_mask_BG[b, g]) and not (row.in_policy and bool(skipped_B[b]))
            known = replace(
                row,
                disc_logit=None if disc_logits is None else disc_logits[place],
                rewards={name: each[place] for name, each in values.items()},
                reward=float(rewards.rewards_BG[b, g]) if is_learned else None,
                advantage=float(advantages_BG[b, g]),
            )
            rows.append(known)
            place += 1
        found.append(replace(group, rows=tuple(rows)))
    return found


def _excused(groups: Sequence[Group], answers: MaskedRewards) -> MaskedRewards:
    """The answer rewards, as if those of questions without a ground truth were there, and 0: the others add up."""
    truthless_BG = _grid(groups, [float(not group.sample.has_truth) for group, _ in rows_of(groups)])[0].bool()
    return MaskedRewards(answers.rewards_BG, answers.rewarded_mask_BG | truthless_BG)


def _similarity(groups: Sequence[Group], disc_logits: Values, *, logits_have_zero: bool, is_graded: bool) -> Values:
    """Similarity rewards of the rows."""
    row_mask_BG = _grid(groups, [1.0] * len(disc_logits))[1]
    teacher_BG = _grid(groups, [float(row.side == "teacher") for _, row in rows_of(groups)])[0].bool()
    logits_BG = _grid(groups, [nan if logit is None else logit for logit in disc_logits])[0]
    rewards_BG, rewarded_mask_BG = similarity_rewards(
        logits_BG, row_mask_BG, teacher_BG, logits_have_zero=logits_have_zero, is_graded=is_graded
    )
    values = rewards_BG[row_mask_BG].tolist()
    return [value if known else None for value, known in zip(values, rewarded_mask_BG[row_mask_BG], strict=True)]


def _refuse_infinite(groups: Sequence[Group], rewards: MaskedRewards) -> None:
    """Large rewards, each finite in Python's numbers, may have a sum that isn't in the tensor's."""
    for b, g in (~rewards.rewards_BG.isfinite()).nonzero().tolist():
        raise RilctlError(
            f"the rewards of a {groups[b].rows[g].side} row of question `{groups[b].sample.id}` sum to "
            f"{float(rewards.rewards_BG[b, g])}",
            hint="smaller rewards, or smaller weights in `[train.rewards]`",
        )


def _grid(groups: Sequence[Group], values: Values) -> tuple[Tensor, Tensor]:
    """The rows' values as (values_BG, mask_BG): False where there is no row or no value."""
    width, left = max(len(group.rows) for group in groups), iter(values)
    lines = [[*islice(left, len(group.rows)), *[None] * (width - len(group.rows))] for group in groups]
    mask_BG = torch.tensor([[value is not None for value in line] for line in lines])
    return torch.tensor([[0.0 if value is None else value for value in line] for line in lines]), mask_BG
