"""Where a model's weights are: whole in this process, or divided over several by the engine that trains them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class Sharding(Protocol):
    """How a model's weights are got at."""

    @property
    def each_module_once(self) -> bool:
        """Whether a forward pass may run no module twice, as with a prompt's key/value cache."""

    def run(self, compute: Callable[[], T]) -> T:
        """A forward pass: `compute()`, with the weights at hand as they are needed. On all ranks, or on none."""

    def whole(self) -> AbstractContextManager[None]:
        """Inside, this process has all weights, to sample or to write them. On all ranks, or on none."""


class Unsharded:
    """All weights are here."""

    each_module_once = False

    def run(self, compute: Callable[[], T]) -> T:
        """See `Sharding`."""
        return compute()

    def whole(self) -> AbstractContextManager[None]:
        """See `Sharding`."""
        return nullcontext()
