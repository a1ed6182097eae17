"""Small models with random weights, of the architectures that a recipe names."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from rilctl.artifacts.layout import naming
from rilctl.artifacts.model_files import read_texts, write_texts
from rilctl.config.fields import ModelConfig
from rilctl.config.registry import MODELS
from rilctl.errors import RilctlError
from rilctl.models.families.table import FAMILIES, family_of
from rilctl.models.loaded.source import find_local
from rilctl.models.loaded.vlm import load_vlm, save_vlm
from rilctl.quickstart.shapes import ShapeName, write_shape

_HIDDEN, _HEADS, _KEY_HEADS, _LAYERS = 128, 4, 2, 2
"""Heads of 32, the smallest that vLLM's CPU kernels know."""
_VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "depth": _LAYERS,
    "num_hidden_layers": _LAYERS,
    "num_heads": _HEADS,
    "num_attention_heads": _HEADS,
    "out_hidden_size": _HIDDEN,
}
_MAX_TOKENS = 8192
"""The pocket shapes are for short questions; a user's may be long."""
_SHAPE: ShapeName = "pocket-teacher-qwen"
"""Of models whose family has no pocket shape, or isn't known."""


def build_small(name: str, revision: str | None, directory: Path, *, base_dir: Path, seed: int) -> str:
    """Write a complete small model directory.

    Args:
        name: as a recipe names the model that it stands for.
        revision: likewise.
        directory: created.
        base_dir: folder that the recipe's relative paths start from.
        seed: of the weights.

    Returns:
        What was built, as a person reads it.
    """
    about = _from_files(name, revision, directory, base_dir) or _from_family(name, directory)
    model = ModelConfig(model=str(directory), random_weights=True, seed=seed)
    loaded = load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True)
    save_vlm(loaded, directory)
    return about


def _from_files(name: str, revision: str | None, directory: Path, base_dir: Path) -> str | None:
    """The model's own tokenizer, template and processor, and its configuration made small; None: not here."""
    from transformers import AutoConfig

    try:
        source = find_local(name, revision=revision, base_dir=base_dir)
        if source is None:
            return None
        directory.mkdir(parents=True)
        write_texts(read_texts(source.path), directory)
        config = AutoConfig.from_pretrained(source.path, trust_remote_code=False)
        small = shrink_config(config.to_dict())
        _write(directory / "config.json", small)
        load_vlm(
            ModelConfig(model=str(directory), random_weights=True),
            base_dir=Path(),
            device=torch.device("cpu"),
            trainable=True,
        )
    except (RilctlError, OSError, ValueError, TypeError, KeyError):
        shutil.rmtree(directory, ignore_errors=True)
        return None
    return f"a small `{small['model_type']}` with its own tokenizer and processor"


def _from_family(name: str, directory: Path) -> str:
    """The pocket shape of the family, made for longer questions."""
    known = MODELS.get(name) or next((model for model in MODELS.values() if model.model == name), None)
    family = known.family if known else "qwen2_5_vl"
    write_shape(FAMILIES[family].pocket or _SHAPE, directory)
    config = json.loads((directory / "config.json").read_text())
    for part in (config, config.get("text_config", {})):
        part["tie_word_embeddings"] = False
    config["text_config"]["max_position_embeddings"] = _MAX_TOKENS
    _write(directory / "config.json", config)
    tokenizer = directory / "tokenizer_config.json"
    _write(tokenizer, json.loads(tokenizer.read_text()) | {"model_max_length": _MAX_TOKENS})
    if known:
        return f"a small `{family}` with the pocket world's tokenizer (its files aren't on this machine)"
    return f"a small `{family}` (nothing on this machine says what architecture it is)"


def shrink_config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of the same architecture, a few thousand times smaller.

    Args:
        config: as `config.json` has it, with the language model's part in `text_config` where there is a vision tower.
    """
    small: dict[str, Any] = json.loads(json.dumps(config))
    text = small.get("text_config") or small
    _shrink_text(text)
    small["tie_word_embeddings"] = text["tie_word_embeddings"] = False
    vision = small.get("vision_config")
    if vision:
        vision |= {key: value for key, value in _VISION.items() if key in vision}
    family_of(small).shrink(small)
    return small


def _shrink_text(text: dict[str, Any]) -> None:
    text |= {
        "hidden_size": _HIDDEN,
        "intermediate_size": 2 * _HIDDEN,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KEY_HEADS,
    }
    if text.get("head_dim"):
        text["head_dim"] = _HIDDEN // _HEADS
    if text.get("max_window_layers"):
        text["max_window_layers"] = _LAYERS
    if text.get("layer_types"):
        text["layer_types"] = text["layer_types"][:_LAYERS]


def _write(path: Path, content: dict[str, Any]) -> None:
    with naming(path):
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
