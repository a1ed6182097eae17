"""A step's rows as they are kept: told to rank 0, and written under `resume/` while the run is under way."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rilctl.artifacts.layout import ROLLOUT_LOG
from rilctl.artifacts.log_file import LogFile
from rilctl.engines.training.ranks import Ranks
from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.train.rows import Group, Row

LEARNED = ("similarity", "answer")
"""Rewards that the discriminator and the judge give; the others are the recipe's own."""


class LearnedGroup(StrictModel):
    """A group as its rank tells rank 0 of it.

    Its place is that among the step's questions, so that their order doesn't depend on the number of ranks.
    """

    place: int
    """Among the step's questions."""
    truncated_mass: float | None
    """Probability that top-p and top-k cut away."""
    rows: list[RolloutRecord]
    """Its rows, with rewards."""


def gather_groups(ranks: Ranks, step: int, groups: Sequence[Group]) -> list[LearnedGroup]:
    """On rank 0 all ranks' groups in the order of the step's questions; elsewhere none. Collective."""
    own = [
        LearnedGroup(place=group.place, truncated_mass=group.truncated_mass, rows=rollout_records(step, [group]))
        for group in groups
    ]
    if ranks.size > 1:
        parts = ranks.at_main([group.model_dump(mode="json") for group in own])
        own = [LearnedGroup.model_validate(group) for part in parts for group in part]
    return sorted(own, key=lambda group: group.place)


class RolloutLog:
    """Appends a step's rows; `read` gives them all back.

    Args:
        directory: the run's scratch directory.
    """

    def __init__(self, directory: Path) -> None:
        self.file = LogFile(directory / ROLLOUT_LOG)

    def append(self, records: Sequence[RolloutRecord]) -> None:
        """Add a step's rows; they are with the operating system when this returns."""
        self.file.append(record.model_dump_json() + "\n" for record in records)

    def read(self) -> Iterator[RolloutRecord]:
        """All rows, in order. Raises `ArtifactError` where they aren't those that were appended."""
        self.file.check(hint=f"delete `{self.file.path.parent}` to start over")
        with self.file.path.open(encoding="utf-8") as file:
            for line in file:
                yield RolloutRecord.model_validate_json(line)


def rollout_records(step: int, groups: Sequence[Group]) -> list[RolloutRecord]:
    """The step's rows as they are kept."""
    return [
        RolloutRecord(
            step=step,
            sample_id=group.sample.id,
            source=row.source,
            side=row.side,
            response_index=index,
            question=group.sample.question,
            answer=group.sample.answer,
            image_digests=group.sample.conversation.image_digests,
            context=[*group.sample.conversation.context] or None,
            text=row.text,
            token_ids=list(row.token_ids),
            finish_reason=row.finish_reason,
            in_policy=row.in_policy,
            disc_logit=row.disc_logit,
            similarity_reward=row.rewards.get("similarity"),
            answer_reward=row.rewards.get("answer"),
            rewards=_own_rewards(row),
            reward=row.reward,
            advantage=row.advantage,
        )
        for group in groups
        for index, row in enumerate(group.rows)
    ]


def _own_rewards(row: Row) -> dict[str, float] | None:
    """Those without a column of their own, where there are any."""
    own = {name: value for name, value in row.rewards.items() if value is not None and name not in LEARNED}
    return own or None
