"""What training engines remember, on the disk."""

import os
import resource
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from rilctl.artifacts.digests import sha256_file
from rilctl.config.fields import OptimConfig
from rilctl.engines.training.disk import Disk, Written, free_room_bytes
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.state import StateFiles
from rilctl.engines.training.tensor_file import TensorFile
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.testing.peaks import peak_bytes
from rilctl.testing.saved import save_now

LAYOUTS = {"count": (torch.int64, ()), "a": (torch.float32, (3, 4)), "none": (torch.float32, (0, 2))}


def test_the_library_reads_what_was_written_tensor_by_tensor(tmp_path: Path) -> None:
    tensors = {"count": torch.tensor(7), "a": torch.arange(12.0).view(4, 3).T, "none": torch.zeros(0, 2)}
    path = tmp_path / "x.safetensors"
    with Disk() as disk:
        file = TensorFile(path, LAYOUTS, disk)
        for name, tensor in tensors.items():
            assert not path.exists()  # it has its name only when it is whole
            file.put(name, tensor)
        file.close()
        (written,) = disk.wait()
    found = load_file(path)
    assert found.keys() == tensors.keys() and all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert list(tmp_path.iterdir()) == [path]
    assert written == Written(path, path.stat().st_size, sha256_file(path))


@pytest.mark.parametrize("name", ["a", "count"])
def test_nothing_but_what_was_said_is_written(tmp_path: Path, name: str) -> None:
    with Disk() as disk:
        file = TensorFile(tmp_path / "x.safetensors", LAYOUTS, disk)
        if name == "a":
            with pytest.raises(ValueError, match="'a'.* comes where .*'count'"):
                file.put("a", torch.zeros(3, 4))
        else:
            file.put("count", torch.tensor(7))
            with pytest.raises(ValueError, match="lacks a"):
                file.close()
        assert disk.wait() == []
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with Disk() as disk:
            file = TensorFile(path, {"a": (torch.float32, (1 << 20,))}, disk)
            file.put("a", torch.zeros(1 << 20))
            file.close()
            with pytest.raises(OSError, match=r"large.*x\.safetensors"):
                disk.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_training_goes_on_while_a_slow_disk_writes_what_was_handed_over(tmp_path: Path) -> None:
    """What is written is as it was then, however the tensor changes meanwhile."""
    tensor, slow = torch.zeros(1000), threading.Event()
    with Disk(room_bytes=1 << 20) as disk:
        disk.put(lambda: slow.wait() and None)
        file = TensorFile(tmp_path / "x.safetensors", {"a": (torch.float32, (1000,))}, disk)
        file.put("a", tensor)
        file.close()
        assert disk.waiting_bytes == 4000
        tensor += 1
        slow.set()
        disk.wait()
        assert disk.waiting_bytes == 0
    assert load_file(tmp_path / "x.safetensors")["a"].tolist() == [0.0] * 1000


def test_training_waits_where_no_memory_is_free(tmp_path: Path) -> None:
    done: list[int] = []
    with Disk(room_bytes=10) as disk:
        for number in range(5):
            disk.put(lambda number=number: done.append(number), 11)
            assert done == list(range(number + 1))


def test_after_a_failure_nothing_more_is_done_and_it_is_told_once(tmp_path: Path) -> None:
    done: list[int] = []
    with Disk() as disk:
        disk.put(lambda: (tmp_path / "no" / "file").touch())
        disk.put(lambda: done.append(1))
        with pytest.raises(FileNotFoundError):
            disk.wait()
        assert done == []
        disk.put(lambda: done.append(2))
        assert disk.wait() == [] and done == [2]


def test_room_is_a_part_of_what_is_free_for_each_process_of_the_host() -> None:
    alone = free_room_bytes(1, {})
    assert 0 < alone < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    assert free_room_bytes(16, {}) < alone / 8
    assert free_room_bytes(16, {"LOCAL_WORLD_SIZE": "1"}) == pytest.approx(alone, rel=0.2)


def test_a_checkpoint_takes_next_to_no_memory(tmp_path: Path) -> None:
    """96 MB of weights and moments, of which a copy would be made."""
    model = nn.Sequential(*(nn.Linear(1000, 1000, bias=False) for _ in range(8)))
    engine = TorchTraining(model.named_parameters(), OptimConfig(lr=1e-3), num_steps=1)
    engine.backward(model(torch.ones(1, 1000)).sum())
    engine.step()
    assert peak_bytes(lambda: save_now(engine, tmp_path, Ranks())) < 10e6
    state = StateFiles(tmp_path, {name: weight.shape for name, weight in model.named_parameters()}).read("0.weight")
    assert torch.equal(state.weight, model[0].weight) and state.exp_avg is not None and state.step == 1
