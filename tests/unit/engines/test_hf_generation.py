"""Which answers the call cache may give again: those of the same weights, precision, tokenizer and template."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.errors import ModelError, RowError


def digest(model: Path, **config: object) -> str:
    return load_engine(ModelConfig(model=str(model), **config), HfEngineConfig(), Path()).model_digest


def test_the_same_model_elsewhere_has_the_same_digest(own_model: Path, tmp_path: Path) -> None:
    before = digest(own_model)
    moved = Path(shutil.copytree(own_model, tmp_path / "elsewhere"))
    (moved / "README.md").write_text("a copy")
    for name in ("metrics.jsonl", "rejected.jsonl", ".lock.json"):
        (moved / name).write_text("{}")
    shutil.rmtree(own_model)
    assert digest(moved) == before


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "tokenizer_config.json", "tokenizer.json", "generation_config.json", "added.txt"]
)
def test_another_text_file_is_another_model_over_the_same_weights(own_model: Path, name: str) -> None:
    before = digest(own_model)
    text = (own_model / name).read_text() if (own_model / name).exists() else ""
    (own_model / name).write_text(text + " ")
    assert digest(own_model) != before


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("chat_template.jinja", lambda template: template + b" "),
        ("model.safetensors", lambda weights: weights[:-1] + bytes([weights[-1] ^ 1])),
    ],
)
def test_a_model_that_is_changed_before_its_first_answer_gives_none(
    own_model: Path, name: str, edit: Callable[[bytes], bytes]
) -> None:
    engine = load_engine(ModelConfig(model=str(own_model)), HfEngineConfig(device="cpu"), Path())
    requests, sampling = [GenerationRequest("q", Conversation.of("what?"), (1,))], SamplingConfig(max_new_tokens=3)
    before = (own_model / name).read_bytes()
    (own_model / name).write_bytes(edit(before))
    with pytest.raises(ModelError, match="was changed while the command ran"):
        engine.generate(requests, sampling)
    (own_model / name).write_bytes(before)
    assert len(engine.generate(requests, sampling)) == 1


def test_another_precision_or_other_random_weights_are_another_model(own_model: Path) -> None:
    random = {"random_weights": True}
    choices: list[dict[str, object]] = [{}, {"dtype": "bfloat16"}, random, {"seed": 1, **random}]
    digests = [digest(own_model, **choice) for choice in choices]
    assert len(set(digests)) == 4


def test_a_model_that_computes_nonsense_rejects_rows(own_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(own_model / "model.safetensors")
    next(tensor for name, tensor in weights.items() if name.endswith("gate_proj.weight")).fill_(math.nan)
    save_file(weights, own_model / "model.safetensors", metadata={"format": "pt"})
    engine = load_engine(ModelConfig(model=str(own_model)), HfEngineConfig(device="cpu"), Path())
    requests = [GenerationRequest("q", Conversation.of("what?"), (1, 2))]
    for temperature in (0.0, 1.0):
        (answer,) = engine.generate(requests, SamplingConfig(max_new_tokens=3, temperature=temperature))
        assert isinstance(answer, RowError)
        assert (answer.reason, answer.message) == ("logits-invalid", "the model computes no finite logits in float32")
