"""Weights on their way to another engine."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.models.loaded import weights
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.loaded.weights import checksum, export_untied, policy_weights, write_shards
from rilctl.testing.small_vlms import build_small_vlm


@pytest.fixture(scope="module", params=["pocket-student", "pocket-teacher-internvl"])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    model = build_small_vlm(tmp_path_factory.mktemp("model"), request.param)
    return load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"), trainable=True)


def test_an_export_has_a_head_of_its_own_and_loads_whole(policy: Vlm, tmp_path: Path):
    assert policy.model.config.tie_word_embeddings
    export_untied(policy, tmp_path, torch.float32)
    names = json.loads((tmp_path / weights.INDEX).read_text())["weight_map"]
    assert "lm_head.weight" in names
    untied = load_vlm(ModelConfig(model=str(tmp_path)), base_dir=Path(), device=torch.device("cpu"))
    ours, theirs = policy.model.state_dict(), untied.model.state_dict()
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)
    assert untied.lm_head.weight.data_ptr() != untied.model.get_input_embeddings().weight.data_ptr()


def test_names_are_those_of_the_checkpoint_and_an_adapter_is_merged(policy: Vlm):
    base = {name: tensor.clone() for name, tensor in policy_weights(policy, torch.float32)}
    on_disk = load_file(policy.source.path / "model.safetensors")
    assert base.keys() == on_disk.keys() | {"lm_head.weight"}
    role = with_adapter(policy, LoraConfig(rank=2, targets=("q_proj",)), adapter="policy", seed=0)
    with torch.no_grad():
        for name, parameter in role.trained_parameters():
            parameter += 0.1 * ("lora_B" in name)
    merged = dict(policy_weights(role, torch.bfloat16))
    assert merged.keys() == base.keys()
    assert all(tensor.dtype == torch.bfloat16 for tensor in merged.values())
    moved = {name for name in base if (base[name].bfloat16() != merged[name]).any()}
    assert moved and all("q_proj" in name for name in moved)


def test_shards_are_cut_by_size_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "SHARD_BYTES", 100)
    some = {f"w{i}": torch.full((10,), float(i)) for i in range(5)}
    write_shards(some.items(), tmp_path)
    write_shards(dict(list(some.items())[:3]).items(), tmp_path)
    files = json.loads((tmp_path / weights.INDEX).read_text())["weight_map"]
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == sorted(set(files.values()))
    assert len(set(files.values())) == 2
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1  # a server of another user reads them as well
    for name, file in files.items():
        assert (load_file(tmp_path / file)[name] == some[name]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_a_checksum_sees_every_bit_and_the_order(dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(7, 11, generator=generator) * 9
    tensor = drawn > 0 if dtype == torch.bool else drawn.to(dtype)
    same = checksum(tensor)
    assert same == checksum(tensor.reshape(11, 7)) == checksum(tensor.t().contiguous().t())
    first, other = (0, 0), next((i, j) for i in range(7) for j in range(11) if tensor[i, j] != tensor[0, 0])
    swapped = tensor.clone()
    swapped[first], swapped[other] = tensor[other], tensor[first]
    changed = tensor.clone()
    changed[other] = tensor[first]
    assert len({same, checksum(swapped), checksum(changed)}) == 3


def test_a_checksum_does_not_depend_on_its_chunks(monkeypatch: pytest.MonkeyPatch):
    tensor = torch.randn(1000)
    whole = checksum(tensor)
    monkeypatch.setattr(weights, "CHUNK", {"cpu": 7, "cuda": 7})
    assert checksum(tensor) == whole
