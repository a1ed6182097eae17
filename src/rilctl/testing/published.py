"""Directories with the published dimensions of real models and a small tokenizer: all that a plan reads."""

import json
from pathlib import Path
from typing import Any, Literal

from rilctl.quickstart.shapes import ShapeName, write_shape

PublishedName = Literal["qwen3b", "qwen7b", "qwen72b", "internvl8b"]
_VISION_QWEN = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
_VISION_INTERN = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "image_size": [448, 448],
}
_PIXELS_QWEN = {"size": {"shortest_edge": 3136, "longest_edge": 12845056}}
_PIXELS_INTERN = {"size": {"height": 448, "width": 448}, "crop_to_patches": True, "min_patches": 1, "max_patches": 12}


def _text(hidden: int, layers: int, heads: int, key_heads: int, intermediate: int, vocabulary: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "intermediate_size": intermediate,
        "vocab_size": vocabulary,
        "layer_types": ["full_attention"] * layers,
        "max_position_embeddings": 32_768,
    }


_TEXTS: dict[PublishedName, dict[str, Any]] = {
    "qwen3b": _text(2048, 36, 16, 2, 11_008, 151_936),
    "qwen7b": _text(3584, 28, 28, 4, 18_944, 152_064),
    "qwen72b": _text(8192, 80, 64, 8, 29_568, 152_064),
    "internvl8b": _text(3584, 28, 28, 4, 18_944, 151_674),
}


def write_published(directory: Path, name: PublishedName) -> Path:
    """Write configuration, processor and a small tokenizer of a model, no weights, and return the directory.

    Args:
        directory: created if missing.
        name: the built-in name of the model.
    """
    is_qwen = name.startswith("qwen")
    shape: ShapeName = "pocket-student" if is_qwen else "pocket-teacher-internvl"
    write_shape(shape, directory)
    text, tied = _TEXTS[name], name == "qwen3b"
    config = _read(directory / "config.json")
    config["text_config"] |= text | {"tie_word_embeddings": tied}
    config["tie_word_embeddings"] = tied
    if is_qwen:
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
        config["text_config"] |= {"rope_parameters": rope}
        config["vision_config"] |= _VISION_QWEN | {"out_hidden_size": text["hidden_size"]}
    else:
        config["vision_config"] |= _VISION_INTERN
        config["image_seq_length"] = 256
    (directory / "config.json").write_text(json.dumps(config))
    pixels = _read(directory / "preprocessor_config.json") | (_PIXELS_QWEN if is_qwen else _PIXELS_INTERN)
    (directory / "preprocessor_config.json").write_text(json.dumps(pixels))
    if not is_qwen:
        processor = _read(directory / "processor_config.json") | {"image_seq_length": 256}
        (directory / "processor_config.json").write_text(json.dumps(processor))
    return directory


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content
