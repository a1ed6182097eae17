"""What a step's rows say, those of all ranks: rewards, verdicts that are missing, lengths."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.algorithms.disc_metrics import length_only_accuracy
from rilctl.config.train import TrainConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.inputs import mean, present
from rilctl.stages.train.rollout_log import LearnedGroup


def row_metrics(ranks: Ranks, groups: Sequence[LearnedGroup], config: TrainConfig) -> dict[str, float]:
    """Metrics of the rows as rank 0 tells them to all; what could not be computed is absent. Collective.

    Args:
        ranks: this process among the others.
        groups: as `gather_groups` gives them.
        config: which rewards there are.
    """
    return ranks.gather(present(_row_metrics(groups, config)) if ranks.is_main else {})[0]


def _row_metrics(groups: Sequence[LearnedGroup], config: TrainConfig) -> dict[str, float | None]:
    """What could not be computed is None.

    Args:
        groups: of all ranks.
        config: which rewards there are.
    """
    algorithm = config.algorithm
    rows = [row for group in groups for row in group.rows]
    by_side = {side: [row for row in rows if row.side == side] for side in ("student", "teacher")}
    metrics: dict[str, float | None] = {}
    if algorithm.learns_from_rewards:
        metrics |= {
            "group/skipped_share": mean(float(not any(_is_learned(row) for row in group.rows)) for group in groups),
            "group/no_signal_share": mean(float(all(row.advantage == 0 for row in group.rows)) for group in groups),
        }
    metrics |= {
        "response/mean_tokens": mean(_lengths(by_side["student"])),
        "response/mean_tokens_teacher": mean(_lengths(by_side["teacher"])),
        "response/stopped_share": mean(float(row.finish_reason == "stop") for row in by_side["student"]),
        "response/truncated_mass": mean(group.truncated_mass for group in groups if group.truncated_mass is not None),
    }
    for side, own in by_side.items():
        for name in config.reward_weights:
            metrics[f"reward/{name}_{side}"] = mean(row.named_rewards[name] for row in own if name in row.named_rewards)
        if algorithm.learns_from_rewards:
            metrics[f"reward/advantage_{side}"] = mean(row.advantage for row in own if row.in_policy)
        if algorithm.uses_judge:
            metrics[f"judge/missing_share_{side}"] = mean(float(_is_missing(row)) for row in own if row.answer)
    if algorithm.uses_judge:
        if config.rewards.missing_truth == "others":
            metrics["group/no_truth_share"] = mean(float(not any(row.answer for row in group.rows)) for group in groups)
        metrics["judge/missing_mean_tokens"] = mean(_lengths([row for row in rows if _is_missing(row)]))
    if algorithm.uses_discriminator and len(groups) > 1:
        metrics["disc/length_only_accuracy"] = length_only_accuracy(*_sides(groups[::2]), *_sides(groups[1::2]))
    return metrics


def _is_learned(row: RolloutRecord) -> bool:
    return row.in_policy and row.reward is not None


def _is_missing(row: RolloutRecord) -> bool:
    """Whether a verdict is wanted, and there is none."""
    return row.answer_reward is None and bool(row.answer)


def _lengths(rows: Sequence[RolloutRecord]) -> list[float]:
    return [float(len(row.token_ids)) for row in rows]


def _sides(groups: Sequence[LearnedGroup]) -> tuple[Tensor, Tensor]:
    """Lengths of the rows, and whether each is a student's: for a rule fitted on every other group."""
    rows = [row for group in groups for row in group.rows]
    return torch.tensor([len(row.token_ids) for row in rows]), torch.tensor([float(r.side == "student") for r in rows])
