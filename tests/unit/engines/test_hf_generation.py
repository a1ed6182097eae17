"""Which answers the call cache may give again: those of the same weights, precision, tokenizer and template."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.errors import ModelError, RowError
from rilctl.testing.small_vlms import build_small_vlm


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("model") / "student")


@pytest.fixture
def model(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "student"))


def digest(model: Path, **config: object) -> str:
    return load_engine(ModelConfig(model=str(model), **config), HfEngineConfig(), Path()).model_digest


def test_the_same_model_elsewhere_has_the_same_digest(model: Path, tmp_path: Path) -> None:
    before = digest(model)
    moved = Path(shutil.copytree(model, tmp_path / "elsewhere"))
    (moved / "README.md").write_text("a copy")
    for name in ("metrics.jsonl", "rejected.jsonl", ".lock.json", "model.safetensors.index.json"):
        (moved / name).write_text("{}")
    shutil.rmtree(model)
    assert digest(moved) == before


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "tokenizer_config.json", "tokenizer.json", "generation_config.json", "added.txt"]
)
def test_another_text_file_is_another_model_over_the_same_weights(model: Path, name: str) -> None:
    before = digest(model)
    text = (model / name).read_text() if (model / name).exists() else ""
    (model / name).write_text(text + " ")
    assert digest(model) != before


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("chat_template.jinja", lambda template: template + b" "),
        ("model.safetensors", lambda weights: weights[:-1] + bytes([weights[-1] ^ 1])),
    ],
)
def test_a_model_that_is_changed_before_its_first_answer_gives_none(
    model: Path, name: str, edit: Callable[[bytes], bytes]
) -> None:
    engine = load_engine(ModelConfig(model=str(model)), HfEngineConfig(device="cpu"), Path())
    requests, sampling = [GenerationRequest("q", "what?", (), (1,))], SamplingConfig(max_new_tokens=3)
    before = (model / name).read_bytes()
    (model / name).write_bytes(edit(before))
    with pytest.raises(ModelError, match="was changed while the command ran"):
        engine.generate(requests, sampling)
    (model / name).write_bytes(before)
    assert len(engine.generate(requests, sampling)) == 1


def test_another_precision_or_other_random_weights_are_another_model(model: Path) -> None:
    random = {"random_weights": True}
    digests = [digest(model), digest(model, dtype="bfloat16"), digest(model, **random), digest(model, seed=1, **random)]
    assert len(set(digests)) == 4


def test_a_model_that_computes_nonsense_rejects_rows(model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    next(tensor for name, tensor in weights.items() if name.endswith("gate_proj.weight")).fill_(math.nan)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    engine = load_engine(ModelConfig(model=str(model)), HfEngineConfig(device="cpu"), Path())
    requests = [GenerationRequest("q", "what?", (), (1, 2))]
    for temperature in (0.0, 1.0):
        (answer,) = engine.generate(requests, SamplingConfig(max_new_tokens=3, temperature=temperature))
        assert isinstance(answer, RowError)
        assert (answer.reason, answer.message) == ("logits-invalid", "the model computes no finite logits in float32")
