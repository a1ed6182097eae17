"""Who is on the device. On a GPU with full fine-tuning, policy and discriminator take turns: one waits on the host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from rilctl.clock import timed
from rilctl.stages.train.exchange import Exchange

HOST = torch.device("cpu")


@dataclass(frozen=True)
class Trained:
    """A model and what trains it.

    Args:
        module: moved as a whole.
        optimizer: has moments of the module's parameters, which go where it goes.
    """

    module: nn.Module
    optimizer: Optimizer

    def tensors(self) -> list[Tensor]:
        """Weights and moments; gradients don't exist between optimizer steps."""
        states = [self.optimizer.state.get(parameter, {}) for parameter in self.module.parameters()]
        moments = [tensor for state in states for tensor in state.values()]
        return [*self.module.parameters(), *self.module.buffers(), *moments]


class Turns:
    """Policy and discriminator take turns on the device; the policy has it whenever the discriminator doesn't ask.

    Args:
        device: where work is done.
        policy: has the device now.
        disc: is on the host now.
    """

    def __init__(self, device: torch.device, policy: Trained, disc: Trained) -> None:
        self._policy, self._disc = policy, disc
        largest = max(tensor.nbytes for one in (policy, disc) for tensor in one.tensors())  # no moment is larger
        self._exchange = Exchange(device, largest)

    @property
    def host_bytes(self) -> int:
        """Host memory for the one that waits, as far as it is allocated."""
        return self._exchange.host_bytes

    @contextmanager
    def discriminator(self) -> Iterator[None]:
        """The discriminator's turn."""
        self._swap(self._policy, self._disc)
        try:
            yield
        finally:
            self._swap(self._disc, self._policy)

    def _swap(self, leaving: Trained, coming: Trained) -> None:
        with timed("turns"):
            self._exchange.swap(leaving.tensors(), coming.tensors())
