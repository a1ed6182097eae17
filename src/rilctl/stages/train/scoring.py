"""The recipe's own rewards: opened once, and put to the rows of each step."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rilctl.artifacts.digests import sha256_file
from rilctl.config.rewards import RewardsConfig
from rilctl.data.sample import Sample
from rilctl.rewards.base import RewardRow, Score
from rilctl.rewards.call import score_rows
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.train.rows import Group, Row


def reward_entries(config: RewardsConfig, base_dir: Path) -> list[InputEntry]:
    """Lineage of the files that rewards are written in; none is executed. Raises `ConfigError` where one is missing."""
    sources = {name: reward.source(base_dir) for name, reward in config.own.items()}
    return [
        InputEntry(role=f"reward:{name}", kind="code", name=str(path), digest=sha256_file(path))
        for name, path in sources.items()
        if path is not None
    ]


def open_rewards(config: RewardsConfig, base_dir: Path) -> dict[str, Score]:
    """Import what the recipe names; what scores rows, by name. Raises `RilctlError` where that fails."""
    return {name: reward.open(base_dir) for name, reward in config.own.items()}


def score_groups(groups: Sequence[Group], scores: Mapping[str, Score], *, max_tokens: int) -> None:
    """Fill in the recipe's own rewards of all rows; None: no verdict.

    Args:
        groups: those of this rank.
        scores: as `open_rewards` gives them.
        max_tokens: the longest response that can be sampled.

    Raises:
        RilctlError: as `score_rows`.
    """
    rows = [row for group in groups for row in group.rows]
    asked = [_reward_row(group.sample, row, max_tokens) for group in groups for row in group.rows]
    for name, score in scores.items() if rows else ():
        for row, value in zip(rows, score_rows(name, score, asked), strict=True):
            row.rewards[name] = value


def _reward_row(sample: Sample, row: Row, max_tokens: int) -> RewardRow:
    texts = (sample.id, sample.question, sample.answer, row.text)
    return RewardRow(*texts, sample.images, num_tokens=len(row.token_ids), max_tokens=max_tokens)
