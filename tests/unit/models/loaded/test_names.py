"""Weights are written under the names that published checkpoints have, whatever names they were read under."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rilctl.models.loaded.vlm import save_vlm
from rilctl.models.loaded.weights import policy_weights
from rilctl.testing.builders.table import BUILDERS
from rilctl.testing.families import load_to_train

WRAPPED = ("gemma3", "llava")
"""Their small models are saved as the library saves a model that it made: without `vision_model`."""


def wrapped(name: str) -> str:
    return name.replace("vision_tower.", "vision_tower.vision_model.")


@pytest.mark.parametrize("family", BUILDERS)
def test_a_saved_model_has_published_names_and_is_read_by_them(family, load, model_dirs, tmp_path: Path):
    vlm = load(family)
    before = load_file(model_dirs[family] / "model.safetensors")
    assert not any("vision_tower.vision_model." in name for name in before)
    expected = {(wrapped(name) if family in WRAPPED else name): tensor for name, tensor in before.items()}
    save_vlm(vlm, tmp_path / "once")
    saved = load_file(tmp_path / "once" / "model.safetensors")
    assert saved.keys() == expected.keys() and all(torch.equal(saved[name], expected[name]) for name in saved)
    again = load_to_train(tmp_path / "once", torch.device("cpu"))
    save_vlm(again, tmp_path / "twice")
    files = [tmp_path / each / "model.safetensors" for each in ("once", "twice")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for each in (vlm, again):  # vLLM is sent the names that its loader has read
        assert {name for name, _ in policy_weights(each, torch.float32)} == saved.keys() | {"lm_head.weight"}
