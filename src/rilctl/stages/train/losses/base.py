"""What all parts of a step's loss have in common."""

from typing import Protocol

from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.sums import DeviceSums

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
