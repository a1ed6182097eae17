"""Tensors that go to pinned host memory and back, while kernels run before and after."""

import torch
from torch import Tensor

from rilctl.stages.train.exchange import Exchange

from .conftest import DEVICE

SIZES = (3_000_000, 17, 1, 5_000_000, 400_000, 2_000_000)


def test_two_sets_change_places_while_the_device_computes() -> None:
    here: list[Tensor] = [torch.full((size,), 1.0, device=DEVICE) for size in SIZES]
    there: list[Tensor] = [torch.full((size,), 2.0) for size in SIZES]
    room = Exchange(DEVICE, 4 * max(SIZES), block_bytes=2**20, window_bytes=2**20)
    expected = {id(tensor): float(tensor[0]) for tensor in (*here, *there)}
    for _ in range(6):
        for tensor in here:  # kernels that are still running when they leave
            for _ in range(20):
                tensor += 1.0
            expected[id(tensor)] += 20
        room.swap(here, there)
        here, there = there, here
        noise = [torch.rand(size, device=DEVICE) for size in SIZES]  # in memory that has become free
        assert all(tensor.is_cuda for tensor in here) and all(tensor.is_pinned() for tensor in there)
        for tensor in (*here, *there):
            assert (tensor == expected[id(tensor)]).all()
        del noise
