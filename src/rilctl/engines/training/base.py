"""What a training engine takes and gives, whatever runs inside."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from rilctl.engines.training.disk import Disk


@dataclass(frozen=True)
class StepReport:
    """What an optimizer step did.

    Args:
        grad_norm: before clipping; None: the step is bad, loss or gradient isn't finite, and no weight was changed.
        lr: learning rate of this step.
        number: of the step, from 1; bad ones count.
        num_bad: bad steps of the run so far.
        num_bad_in_a_row: those that end with this one.
    """

    grad_norm: float | None
    lr: float
    number: int = 1
    num_bad: int = 0
    num_bad_in_a_row: int = 0


class TrainingEngine(Protocol):
    """Turns losses into better weights; micro-batches accumulate until `step`.

    On several ranks all make the same calls in the same order, with equally many `backward`s before a `step`; all but
    `load` are collective.
    """

    def backward(self, loss: Tensor) -> None:
        """Add this micro-batch's gradients; its loss already has the denominator of the whole batch of all ranks."""

    def step(self) -> StepReport:
        """Clip, update the weights, forget the gradients.

        Where a loss or the gradient isn't finite, on any rank, all ranks keep weights and optimizer state as they are.
        """

    def save(self, directory: Path, disk: Disk) -> None:
        """Hand weights that train and optimizer state, as they are now, to the disk; `load` continues bit for bit.

        What writing them raises, `Disk.wait` does.
        """

    def load(self, directory: Path) -> None:
        """Read what `save` wrote; refuses a key or shape mismatch. Raises `ArtifactError`."""
