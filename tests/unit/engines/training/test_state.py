"""What training engines remember, on the disk."""

import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.state import StateFiles
from rilctl.engines.training.tensor_file import TensorFile
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.testing.peaks import peak_bytes

LAYOUTS = {"count": (torch.int64, ()), "a": (torch.float32, (3, 4)), "none": (torch.float32, (0, 2))}


def test_the_library_reads_what_was_written_tensor_by_tensor(tmp_path: Path) -> None:
    tensors = {"count": torch.tensor(7), "a": torch.arange(12.0).view(4, 3).T, "none": torch.zeros(0, 2)}
    file = TensorFile(tmp_path / "x.safetensors", LAYOUTS)
    for name, tensor in tensors.items():
        assert not (tmp_path / "x.safetensors").exists()  # it has its name only when it is whole
        file.put(name, tensor)
    file.close()
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys() and all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_nothing_but_what_was_said_is_written(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "x.safetensors", LAYOUTS)
    with pytest.raises(ValueError, match="'a'.* comes where .*'count'"):
        file.put("a", torch.zeros(3, 4))
    file.put("a", torch.zeros(3, 4))
    with pytest.raises(ValueError, match="lacks none"):
        file.close()
    file.abandon()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_no_file(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "x.safetensors", {"a": (torch.float32, (1 << 20,))})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            file.put("a", torch.zeros(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.abandon()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_takes_next_to_no_memory(tmp_path: Path) -> None:
    """96 MB of weights and moments, of which a copy would be made."""
    model = nn.Sequential(*(nn.Linear(1000, 1000, bias=False) for _ in range(8)))
    engine = TorchTraining(model.named_parameters(), OptimConfig(lr=1e-3), num_steps=1)
    engine.backward(model(torch.ones(1, 1000)).sum())
    engine.step()
    assert peak_bytes(lambda: engine.save(tmp_path)) < 10e6
    state = StateFiles(tmp_path, {name: weight.shape for name, weight in model.named_parameters()}).read("0.weight")
    assert torch.equal(state.weight, model[0].weight) and state.exp_avg is not None and state.step == 1
