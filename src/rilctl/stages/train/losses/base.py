"""What all parts of a step's loss have in common."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from rilctl.config.train import TrainConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.vlm import Vlm
from rilctl.stages.train.rows import Group, MicroBatch, micro_batch

NUM_TOKENS = "num_policy_tokens"
"""The sum that `policy tokens` of the registry are; it is no metric."""


class StepLoss(Protocol):
    """A part of one step's loss, for as many updates as the step has."""

    def backward(self, engine: TrainingEngine, sums: DeviceSums | None) -> None:
        """Add the gradients of all its micro-batches. Collective.

        Args:
            engine: takes them.
            sums: is told what is reported of them; None: this update isn't.
        """


def cut_groups(config: TrainConfig, policy: Vlm, ranks: Ranks, groups: Sequence[Group]) -> Iterator[MicroBatch]:
    """The groups' policy rows, see `micro_batches`; empty ones where another rank has more. Collective."""
    sizes = [
        GroupSize(
            len(group.prompt.token_ids_P),
            len(group.policy_rows),
            max(len(row.token_ids) for row in group.policy_rows),
        )
        for group in groups
    ]
    parts = list(micro_batches(sizes, config.engine.tokens_per_micro_batch))
    for picks in ranks.padded(parts, [], least=int(policy.stand_in is not None)):
        picked = [groups[pick] for pick in sorted(picks)]
        yield micro_batch(policy, picked, corrects_sampler=config.corrects_sampler)
