"""What the witness says of weights, without vLLM: the worker's part is played by a model."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rilctl.engines.generation.vllm import witness as witness_module
from rilctl.engines.generation.vllm.witness import Witness
from rilctl.models.loaded.weights import checksum


class Model(nn.Module):
    """One weight as it came, one that is fused of three, one that came fused, one with padding."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.vision, self.embed = (nn.Linear(3, 8, bias=False) for _ in range(4))
        for fused in (self.qkv, self.vision):
            fused.output_partition_sizes = [4, 2, 2]  # type: ignore[assignment]
        self.embed.org_vocab_size = 6  # type: ignore[assignment]

    def load_weights(self, weights) -> None:
        list(weights)


def checkpoint(model: Model) -> dict[str, torch.Tensor]:
    q, k, v = model.qkv.weight.split([4, 2, 2])
    whole = {"norm": model.norm.weight, "vision": model.vision.weight, "embed": model.embed.weight[:6]}
    return whole | {"q": q, "k": k, "v": v}


@pytest.fixture
def witness() -> Witness:
    found = Witness()
    model = Model()
    found.model_runner, found.device = SimpleNamespace(get_model=lambda: model), torch.device("cpu")
    return found


def test_what_the_loader_takes_is_heard_and_found_in_the_model(witness: Witness, monkeypatch: pytest.MonkeyPatch):
    model = witness.model_runner.get_model()
    assert witness.rilctl_received() == {}
    witness.rilctl_watch()
    model.load_weights(checkpoint(model).items())
    assert witness.rilctl_received() == {name: checksum(tensor) for name, tensor in checkpoint(model).items()}
    taken: list[int] = []

    def counted(tensor: torch.Tensor, device: torch.device | None = None) -> str:
        taken.append(tensor.numel())
        return checksum(tensor, device)

    monkeypatch.setattr(witness_module, "checksum", counted)
    resident = witness.rilctl_resident()
    assert set(witness.rilctl_received().values()) == {each for parts in resident.values() for each in parts}
    assert [len(parts) for parts in resident.values()] == [1, 3, 1, 1]
    assert sum(taken) == 3 * (8 + 8 + 2 * 8 + 6)  # once, but for what came fused


def test_a_part_that_was_kept_shows(witness: Witness):
    model = witness.model_runner.get_model()
    witness.rilctl_watch()
    model.load_weights(checkpoint(model).items())
    with torch.no_grad():
        model.qkv.weight[5] += 1
    received = set(witness.rilctl_received().values())
    stale = [name for name, parts in witness.rilctl_resident().items() if not received.issuperset(parts)]
    assert stale == ["qkv.weight"]
