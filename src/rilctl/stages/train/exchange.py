"""Two sets of tensors take each other's place, one on a device, the other in host memory.

Host memory that a device copies to at full speed is pinned, which takes long to get. So it is allocated once, and has
room for one of the two: window by window, what lies there goes to the device before what comes from there is written
over it, while the window before is on its way in the other direction.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain

import torch
from torch import Tensor

BLOCK_BYTES = 2**28
"""Host memory is allocated by so much at least; torch rounds what it pins up to a power of two."""
WINDOW_BYTES = 2**28
"""What is on its way at a time, at least: the device has room for two windows besides."""
_ALIGNMENT = 64


class Exchange:
    """Host memory for one of two sets of tensors.

    Args:
        device: where the other one is.
        largest_bytes: of the largest tensor, which lies in one block.
        block_bytes: see `BLOCK_BYTES`; a power of two.
        window_bytes: see `WINDOW_BYTES`.
    """

    def __init__(
        self,
        device: torch.device,
        largest_bytes: int,
        *,
        block_bytes: int = BLOCK_BYTES,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._device = device
        self._block_bytes = max(block_bytes, 1 << (largest_bytes - 1).bit_length())
        self._window_bytes = window_bytes
        self._blocks: list[Tensor] = []
        self._streams = [torch.cuda.Stream(device) for _ in range(2)] if device.type == "cuda" else []  # type: ignore[no-untyped-call]

    @property
    def host_bytes(self) -> int:
        """Allocated so far."""
        return len(self._blocks) * self._block_bytes

    @torch.no_grad()
    def swap(self, leaving: Sequence[Tensor], coming: Sequence[Tensor]) -> None:
        """Take one set to the host, and the other one to the device; each tensor stays the object that it is.

        Args:
            leaving: on the device; must not change before they are swapped back.
            coming: what left earlier, or tensors that never were on the device.
        """
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # nothing that is freed from now on is still being computed with
        places = self._layout(leaving)
        to_come = sorted(zip(self._sources(coming), coming, strict=True), key=lambda pair: pair[0], reverse=True)
        written: Sequence[tuple[int, Tensor]] = []
        for window, end in self._windows(list(zip(places, leaving, strict=True))):
            fetched = []
            while to_come and to_come[-1][0] < end:
                fetched.append(to_come.pop()[1])
            self._copy(written, fetched)
            written = window
        self._copy(written, [tensor for _, tensor in reversed(to_come)])

    def _layout(self, tensors: Iterable[Tensor]) -> list[int]:
        """Where each begins in host memory, in bytes from the start of the first block."""
        starts, end = [], 0
        for tensor in tensors:
            size = -(-max(1, tensor.nbytes) // _ALIGNMENT) * _ALIGNMENT
            if end // self._block_bytes != (end + size - 1) // self._block_bytes:
                end = -(-end // self._block_bytes) * self._block_bytes
            starts.append(end)
            end += size
        return starts

    def _sources(self, tensors: Sequence[Tensor]) -> Iterator[int]:
        """Where each lies in host memory; of one that isn't there, where it would."""
        place_of_block = {block.data_ptr(): index * self._block_bytes for index, block in enumerate(self._blocks)}
        for tensor, start in zip(tensors, self._layout(tensors), strict=True):
            block = place_of_block.get(tensor.untyped_storage().data_ptr())
            yield start if block is None else block + int(tensor.storage_offset()) * tensor.element_size()

    def _windows(self, placed: Sequence[tuple[int, Tensor]]) -> Iterator[tuple[Sequence[tuple[int, Tensor]], int]]:
        """The tensors in order, some at a time, and where their memory ends."""
        first, start = 0, 0
        for index, (place, tensor) in enumerate(placed):
            end = place + tensor.nbytes
            if end - start >= self._window_bytes or index == len(placed) - 1:
                yield placed[first : index + 1], end
                first, start = index + 1, end

    def _copy(self, leaving: Sequence[tuple[int, Tensor]], coming: Sequence[Tensor]) -> None:
        """Both at once; what they were copied from is free afterwards."""
        moves = [
            [(tensor, self._place(start, tensor)) for start, tensor in leaving],
            [(tensor, torch.empty_like(tensor, device=self._device)) for tensor in coming],
        ]
        for stream, pairs in zip(self._streams or (None, None), moves, strict=True):
            with torch.cuda.stream(stream) if stream else nullcontext():
                for tensor, copy in pairs:
                    copy.copy_(tensor.data, non_blocking=True)
        for stream in self._streams:
            stream.synchronize()
        for tensor, copy in chain(*moves):
            tensor.data = copy

    def _place(self, start: int, like: Tensor) -> Tensor:
        """Host memory for a tensor."""
        index, offset = divmod(start, self._block_bytes)
        while index >= len(self._blocks):
            pinned = self._device.type == "cuda"
            self._blocks.append(torch.empty(self._block_bytes, dtype=torch.uint8, pin_memory=pinned))
        return self._blocks[index][offset : offset + like.nbytes].view(like.dtype).view(like.shape)
