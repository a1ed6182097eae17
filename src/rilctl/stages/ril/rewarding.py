"""Rewards and advantages of a step's rows.

Shapes: B groups, G rows of the largest group.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.rewards import MaskedRewards, combine_rewards, similarity_rewards
from rilctl.config.pretrain_disc import DiscLoss
from rilctl.config.train import AlgorithmConfig, TrainConfig
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest
from rilctl.errors import EndpointError, RilctlError
from rilctl.schemas.records import response_digest
from rilctl.stages.inputs import mean
from rilctl.stages.ril.rows import Group, Row

_PAUSE_S = 15.0
"""Between two attempts to get the verdicts that a step lacks."""

Value = Callable[[Row], float | None]


def ask_judge(
    groups: Sequence[Group],
    judge: JudgeEngine,
    verdicts: Mapping[str, bool],
    config: TrainConfig,
    check_stop: Callable[[], object] = lambda: None,
) -> dict[str, float | None]:
    """Answer rewards; a judge that gives no verdict leaves the row without one.

    Args:
        groups: the step's rows, filled in here.
        judge: says what is right.
        verdicts: prepaid verdicts on teachers' responses, by response digest.
        config: how many verdicts may be missing, and what is done about more.
        check_stop: called while the step waits for verdicts; may raise to stop.

    Raises:
        RilctlError: more verdicts are missing, and the recipe's patience is over; or the judge can't be trusted.
    """
    rows = [row for group in groups for row in group.rows]
    asked: list[tuple[Row, JudgeRequest]] = []
    for group in groups:
        sample = group.sample
        for row in group.rows:
            known = verdicts.get(response_digest(sample.question, sample.answer, row.text))
            if row.side == "teacher" and known is not None:
                row.answer_reward = float(known)
            else:
                asked.append((row, JudgeRequest(sample.question, sample.answer, row.text, sample.images)))
    deadline = time.monotonic() + (config.verdict_wait_s if config.missing_verdicts == "wait" else 0.0)
    while True:
        is_last = time.monotonic() >= deadline
        try:
            for (row, _), verdict in zip(asked, judge.judge([request for _, request in asked]), strict=True):
                row.answer_reward = None if verdict.correct is None else float(verdict.correct)
        except EndpointError:
            if is_last:
                raise
        asked = [(row, request) for row, request in asked if row.answer_reward is None]
        share = len(asked) / len(rows)
        if share <= config.max_missing_verdicts:
            break
        if is_last:
            limit = config.max_missing_verdicts
            raise RilctlError(
                f"the judge gave no verdict on {share:.0%} of a step's rows, `max_missing_verdicts` is {limit:.0%}",
                hint="look at the judge; the same command goes on from the last checkpoint",
            )
        _pause(min(_PAUSE_S, max(0.0, deadline - time.monotonic())), check_stop)
    missing = [row for row, _ in asked]
    return {
        "judge/missing_share_student": mean(float(r.answer_reward is None) for r in rows if r.side == "student"),
        "judge/missing_share_teacher": mean(float(r.answer_reward is None) for r in rows if r.side == "teacher"),
        "judge/missing_mean_tokens": mean(float(len(row.token_ids)) for row in missing),
        **{f"judge/{name}": value for name, value in judge.metrics().items()},
    }


def _pause(seconds: float, check_stop: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check_stop()
        time.sleep(min(0.2, seconds))


def assign_rewards(
    groups: Sequence[Group], algorithm: AlgorithmConfig, disc_loss: DiscLoss | None
) -> dict[str, float | None]:
    """Similarity and answer rewards, their sum, and the group's advantages.

    Args:
        groups: the step's rows, filled in here.
        algorithm: which rewards count, and how advantages are made.
        disc_loss: how the discriminator's logits are read; None: there is no discriminator.
    """
    similarity = answer = None
    row_mask_BG = _grid(groups, lambda row: 1.0)[1]
    if disc_loss is not None:
        teacher_BG = _grid(groups, lambda row: float(row.side == "teacher"))[0].bool()
        logits_BG = _grid(groups, lambda row: row.disc_logit)[0]
        similarity = similarity_rewards(logits_BG, row_mask_BG, teacher_BG, disc_loss)
    if algorithm.uses_judge:
        answer = MaskedRewards(*_grid(groups, lambda row: row.answer_reward))
    rewards = combine_rewards(similarity, answer, algorithm.name)
    in_policy_BG = _grid(groups, lambda row: float(row.in_policy))[0].bool()
    advantage_of = ADVANTAGES["grpo" if algorithm.name == "grpo" else "dr_grpo"]
    advantages_BG, skipped_B = advantage_of(rewards.rewards_BG, rewards.rewarded_mask_BG & in_policy_BG)
    for b, group in enumerate(groups):
        for g, row in enumerate(group.rows):
            if similarity is not None and similarity.rewarded_mask_BG[b, g]:
                row.similarity_reward = float(similarity.rewards_BG[b, g])
            if rewards.rewarded_mask_BG[b, g] and not (row.in_policy and skipped_B[b]):
                row.reward = float(rewards.rewards_BG[b, g])
            row.advantage = float(advantages_BG[b, g])
    rows = [row for group in groups for row in group.rows]
    metrics: dict[str, float | None] = {"group/skipped_share": float(skipped_B.float().mean())}
    for side in ("student", "teacher"):
        own = [row for row in rows if row.side == side]
        metrics[f"reward/similarity_{side}"] = mean(r.similarity_reward for r in own if r.similarity_reward is not None)
        metrics[f"reward/answer_{side}"] = mean(r.answer_reward for r in own if r.answer_reward is not None)
        metrics[f"reward/advantage_{side}"] = mean(row.advantage for row in own if row.in_policy)
    metrics["group/no_signal_share"] = float((advantages_BG == 0).all(1).float().mean())
    return metrics


def _grid(groups: Sequence[Group], value: Value) -> tuple[Tensor, Tensor]:
    """A value of every row as (values_BG, mask_BG): False where there is no row or no value."""
    width = max(len(group.rows) for group in groups)
    values = [[value(row) for row in group.rows] + [None] * (width - len(group.rows)) for group in groups]
    mask_BG = torch.tensor([[v is not None for v in line] for line in values])
    return torch.tensor([[0.0 if v is None else v for v in line] for line in values]), mask_BG
