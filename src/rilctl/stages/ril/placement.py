"""Who is on the device. On a GPU with full fine-tuning, policy and discriminator take turns: one waits on the host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from rilctl.engines.training.base import TrainingEngine

HOST = torch.device("cpu")


@dataclass(frozen=True)
class Trained:
    """A model and what trains it.

    Args:
        module: moved as a whole.
        engine: has moments of the module's parameters, which go where it goes.
    """

    module: nn.Module
    engine: TrainingEngine

    def move(self, device: torch.device) -> None:
        """Weights and moments; gradients don't exist between optimizer steps."""
        self.module.to(device)
        self.engine.move(device)


@dataclass
class Turns:
    """Policy and discriminator take turns on the device; the policy has it whenever the discriminator doesn't ask.

    Args:
        device: where work is done.
        policy: has the device now.
        disc: is on the host now.
    """

    device: torch.device
    policy: Trained
    disc: Trained

    @contextmanager
    def discriminator(self) -> Iterator[None]:
        """The discriminator's turn."""
        self.policy.move(HOST)
        self.disc.move(self.device)
        try:
            yield
        finally:
            self.disc.move(HOST)
            self.policy.move(self.device)
