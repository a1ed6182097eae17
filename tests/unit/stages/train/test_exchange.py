"""Places are changed where device and host are one memory; `tests/gpu` does it with two."""

import pytest
import torch
from torch import Tensor

from rilctl.stages.train import exchange
from rilctl.stages.train.exchange import Exchange

CPU = torch.device("cpu")


def values(*shapes: tuple[int, ...], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(shape, generator=generator) for shape in shapes]
    made[0] = torch.nn.Parameter(made[0].bfloat16())
    made[-1] = made[-1].t()  # not contiguous
    return made


@pytest.mark.parametrize("window_bytes", [64, 700, 10**6])
@pytest.mark.parametrize("block_bytes", [64, 2048, 2**20])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(40, 10), (7,), (), (0,), (90, 3), (5, 6)], [(40, 10), (7,), (), (0,), (90, 3), (5, 6)]),
        ([(3,), (2, 2)], [(200,), (100,), (3, 40), (9, 9), (300, 1)]),
        ([(200,), (100,), (3, 40), (9, 9), (300, 1)], [(3,), (2, 2)]),
    ],
)
def test_two_sets_take_each_others_place_again_and_again(one, other, block_bytes, window_bytes):
    here, there = values(*one, seed=0), values(*other, seed=1)
    expected = {id(tensor): tensor.detach().clone() for tensor in (*here, *there)}
    room = Exchange(CPU, 2_000, block_bytes=block_bytes, window_bytes=window_bytes)
    sizes = []
    for turn in range(6):
        room.swap(here, there)
        sizes.append(room.host_bytes)
        here, there = there, here
        for tensor in (*here, *there):
            assert torch.equal(tensor, expected[id(tensor)])
        for tensor in here:  # what has its turn changes
            tensor.data += 1
            expected[id(tensor)] += 1
        if turn == 2:  # as an optimizer's first step makes its moments
            more = values((30, 30), (2, 2), seed=2)
            expected |= {id(tensor): tensor.detach().clone() for tensor in more}
            here += more
    blocks = {tensor.untyped_storage().data_ptr() for tensor in there if tensor.numel()}
    assert len(blocks) <= sizes[-1] // max(2048, block_bytes)
    assert sizes[-1] == sizes[-2] < 2 * max(2048, block_bytes) + 2 * sum(tensor.nbytes for tensor in (*here, *there))


def test_little_more_than_one_set_is_on_the_device_at_any_time(monkeypatch):
    """The device's memory is that of the tensors that aren't in the exchange's."""
    here, there = ([torch.ones(100) for _ in range(50)] for _ in range(2))
    room = Exchange(CPU, 400, block_bytes=512, window_bytes=1_000)
    room.swap(here, there)
    on_device, make = [], torch.empty_like

    def count(tensor: Tensor, **options) -> Tensor:
        on_device.append(sum(t.untyped_storage().nbytes() == 400 for t in (*here, *there)))
        return make(tensor, **options)

    monkeypatch.setattr(exchange.torch, "empty_like", count)
    room.swap(there, here)
    assert len(on_device) == 50 and max(on_device) <= 50 + 2 * 3
