"""Numbers of micro-batches that are added up where they are, and read once."""

from collections.abc import Mapping

import torch
from torch import Tensor


class DeviceSums:
    """Sums by name. Reading a number of a GPU waits for all that was launched before it, so a step reads them once."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, numbers: Mapping[str, Tensor]) -> None:
        """Add a micro-batch's scalars, in float64 and without gradient; each has the same names."""
        for name, number in numbers.items():
            own = number.detach().double()
            self._sums[name] = self._sums[name] + own if name in self._sums else own

    def read(self) -> dict[str, float]:
        """The sums; one transfer."""
        if not self._sums:
            return {}
        return dict(zip(self._sums, torch.stack(list(self._sums.values())).tolist(), strict=True))
