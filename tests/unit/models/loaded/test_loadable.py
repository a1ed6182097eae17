"""Models that are refused: each is told what is the matter with it, and none runs its own code."""

import io
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from rilctl.config.fields import ModelConfig
from rilctl.errors import ModelError
from rilctl.models.loaded.anatomy import read_anatomy
from rilctl.models.loaded.source import find_source, read_family
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.testing.small_vlms import build_small_vlm

_MARKER = "ran-its-own-code"
_CODE = f"""
from pathlib import Path
Path({_MARKER!r}).touch()
from transformers import PreTrainedConfig
class OwnConfig(PreTrainedConfig):
    model_type = "own"
"""
_CODE_OF = {
    "config.json": {"AutoConfig": "own.OwnConfig", "AutoModelForImageTextToText": "own.OwnModel"},
    "tokenizer_config.json": {"AutoTokenizer": [None, "own.OwnTokenizer"], "AutoProcessor": "own.OwnProcessor"},
}


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return build_small_vlm(tmp_path / "model")


def change(file: Path, **keys: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def load(directory: Path) -> Vlm:
    import torch

    return load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=torch.device("cpu"))


def test_quantized_weights_are_called_that(model_dir):
    change(model_dir / "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    with pytest.raises(ModelError, match=r"quantized \(awq\)") as found:
        load(model_dir)
    assert "unquantized" in str(found.value.hint)


def test_a_model_of_its_own_code_is_called_that(model_dir):
    change(model_dir / "config.json", model_type="own", auto_map=_CODE_OF["config.json"])
    (model_dir / "own.py").write_text(_CODE)
    with pytest.raises(ModelError, match="auto_map") as found:
        load(model_dir)
    assert "read the Python files" in str(found.value.hint)
    with pytest.raises(ModelError) as found:
        read_anatomy(find_source(ModelConfig(model=str(model_dir)), base_dir=Path()))
    assert "read the Python files" in str(found.value.hint)


@pytest.mark.parametrize(("file", "is_needed"), [("config.json", True), ("tokenizer_config.json", False)])
def test_code_in_a_model_directory_is_not_run_though_somebody_says_yes(file, is_needed, model_dir, monkeypatch):
    """The library would ask on stdin, and `yes | rilctl …` would answer."""
    change(model_dir / file, auto_map=_CODE_OF[file], **({"model_type": "own"} if is_needed else {}))
    (model_dir / "own.py").write_text(_CODE)
    monkeypatch.setenv("HF_MODULES_CACHE", str(model_dir.parent / "modules"))
    monkeypatch.chdir(model_dir.parent)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    with pytest.raises(ModelError) if is_needed else nullcontext():
        load(model_dir)
    assert not list(model_dir.parent.rglob(_MARKER))


@pytest.mark.parametrize("part", ["text_config", "vision_config"])
def test_more_layers_than_a_model_can_have_are_not_made(model_dir: Path, part: str) -> None:
    """The library would go on making them until the memory is full."""
    config = json.loads((model_dir / "config.json").read_text())
    name = {"text_config": "num_hidden_layers", "vision_config": "depth"}[part]
    assert isinstance(config[part][name], int)
    config[part][name] = 10**400
    (model_dir / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=f"config.json: `{name}` is larger than 1,000"):
        read_family(model_dir)
