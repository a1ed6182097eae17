"""Small models from a configuration on disk: the same architecture, its own tokenizer, and it computes."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from rilctl.config.fields import ModelConfig
from rilctl.models.loaded.vlm import load_vlm
from rilctl.models.prompts.encode import encode_text
from rilctl.pipeline.rehearsal.models import build_small, shrink_config
from rilctl.testing.builders.table import BUILDERS
from rilctl.testing.families import build_family
from rilctl.testing.published import write_published


@pytest.mark.parametrize("name", ["qwen3b", "qwen7b", "internvl8b"])
def test_a_published_configuration_becomes_a_small_model_of_its_architecture(name: str, tmp_path: Path) -> None:
    write_published(tmp_path / "real", name)  # type: ignore[arg-type]
    about = build_small("real", None, tmp_path / "small", base_dir=tmp_path, seed=0)
    real, small = (json.loads((tmp_path / each / "config.json").read_text()) for each in ("real", "small"))
    assert small["architectures"] == real["architectures"] and small["model_type"] == real["model_type"]
    assert "its own tokenizer" in about
    loaded = load_vlm(ModelConfig(model=str(tmp_path / "small")), base_dir=Path(), device=torch.device("cpu"))
    assert loaded.model.config.get_text_config().hidden_size == 128
    assert loaded.tokenizer.get_vocab() == loaded.tokenizer.get_vocab() and len(loaded.tokenizer) < 5000


@pytest.mark.parametrize("family", list(BUILDERS))
def test_other_families_too(family: str, tmp_path: Path) -> None:
    build_family(tmp_path / "real", family)
    about = build_small(str(tmp_path / "real"), None, tmp_path / "small", base_dir=tmp_path, seed=0)
    assert "its own tokenizer" in about
    small = load_vlm(ModelConfig(model=str(tmp_path / "small")), base_dir=Path(), device=torch.device("cpu"))
    images = [] if family == "text" else [Image.new("RGB", (56, 56), (200, 10, 10))]
    messages = [{"role": "user", "content": [*({"type": "image"} for _ in images), {"type": "text", "text": "what?"}]}]
    text = small.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = encode_text(small, text, images)
    inputs = {"input_ids": prompt.token_ids_P[None], **prompt.features}
    types = "mm_token_type_ids" if family == "qwen2_vl" else small.family.types_argument
    if types is not None:
        inputs[types] = prompt.type_ids_P[None]
    with torch.no_grad():
        assert torch.isfinite(small.model(**inputs).logits).all()


def test_a_name_that_nothing_here_knows_is_a_stand_in_and_said_to_be_one(tmp_path: Path) -> None:
    about = build_small("somebody/unheard-of", None, tmp_path / "small", base_dir=tmp_path, seed=0)
    assert "nothing on this machine says what architecture it is" in about
    assert load_vlm(ModelConfig(model=str(tmp_path / "small")), base_dir=Path(), device=torch.device("cpu"))


def test_rotary_sections_fit_the_small_heads() -> None:
    text = {"head_dim": 128, "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24]}}
    small = shrink_config({"text_config": text, "vision_config": {"depth": 32, "fullatt_block_indexes": [7, 15]}})
    assert small["text_config"]["rope_parameters"]["mrope_section"] == [4, 6, 6]
    assert small["vision_config"] == {"depth": 2, "fullatt_block_indexes": [1]}
