"""Small models of the families that have no pocket model: complete directories with random weights."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from rilctl.config.fields import ModelConfig
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.quickstart.shapes import ShapeName, write_shape
from rilctl.testing.small_vlms import build_small_vlm

BuiltFamily = Literal["qwen3_vl", "llava", "text", "qwen2_vl", "llava_next"]
HIDDEN, HEADS, PATCH_PX, IMAGE_PX = 48, 4, 14, 56
PINPOINTS = [[56, 112], [112, 56], [112, 112]]
"""Sizes that LLaVA-NeXT cuts a picture into tiles at."""


def build_models(directory: Path) -> dict[str, Path]:
    """Write a small model of every family, the pocket ones included; their directories by name."""
    pocket: tuple[ShapeName, ...] = ("pocket-student", "pocket-teacher-internvl")
    families: tuple[BuiltFamily, ...] = get_args(BuiltFamily)
    built: dict[str, Path] = {name: build_small_vlm(directory / name, name) for name in pocket}
    return built | {name: build_family(directory / name, name) for name in families}


def load_to_train(directory: Path, device: torch.device) -> Vlm:
    """A fresh copy of a model, float32, so that a test may change it."""
    return load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=device, trainable=True)


def build_family(directory: Path, family: BuiltFamily, *, seed: int = 0) -> Path:
    """Write a small model directory with random weights and return it; tokenizer and template are the pocket student's.

    Args:
        directory: created if missing.
        family: which architecture; `text` is Qwen3. To the package the last two are of an unknown family.
        seed: of the weights.
    """
    from transformers import AutoTokenizer

    write_shape("pocket-student", directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    makers = {"qwen3_vl": _qwen3_vl, "qwen2_vl": _qwen2_vl, "llava": _llava, "llava_next": _llava_next, "text": _text}
    config = makers[family](tokenizer)
    config.save_pretrained(directory)
    processor = directory / "processor_config.json"
    pixels = directory / "preprocessor_config.json"
    if family == "text":
        processor.unlink()
        pixels.unlink()
    elif family in ("qwen3_vl", "qwen2_vl"):
        name = {"qwen3_vl": "Qwen3VLProcessor", "qwen2_vl": "Qwen2VLProcessor"}[family]
        _change(processor, processor_class=name)
        _change(pixels, processor_class=name)
    else:
        name = {"llava": "LlavaProcessor", "llava_next": "LlavaNextProcessor"}[family]
        image_processor = {"llava": "CLIPImageProcessor", "llava_next": "LlavaNextImageProcessor"}[family]
        own = {"patch_size": PATCH_PX, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
        _change(processor, processor_class=name, image_token="<|image_pad|>", **own)
        size = {"height": IMAGE_PX, "width": IMAGE_PX}
        kind = {"image_processor_type": image_processor, "processor_class": name}
        _change(pixels, size=size, crop_size=size, do_center_crop=False, image_grid_pinpoints=PINPOINTS, **kind)
    model = ModelConfig(model=str(directory), random_weights=True, seed=seed)
    load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True).model.save_pretrained(directory)
    return directory


def _change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _language_model(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "initializer_range": 0.05,
        "tie_word_embeddings": True,
        **_ends(tokenizer),
    }


def _ends(tokenizer: Any) -> dict[str, Any]:
    return {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def _qwen3_vl(tokenizer: Any) -> Any:
    """With a vision tower of three layers, one of which feeds the language model's first layer (deepstack)."""
    from transformers import Qwen3VLConfig

    rope = {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    vision = {
        "depth": 3,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_heads": HEADS,
        "out_hidden_size": HIDDEN,
        "patch_size": PATCH_PX,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.05,
    }
    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    image, video, start, end = (tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names)
    return Qwen3VLConfig(
        text_config=_language_model(tokenizer) | {"rope_parameters": rope},
        vision_config=vision,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=True,
        architectures=["Qwen3VLForConditionalGeneration"],
    )


def _qwen2_vl(tokenizer: Any) -> Any:
    from transformers import Qwen2VLConfig

    rope = {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [2, 2, 2]}
    language = {"rope_parameters": rope, "head_dim": HIDDEN // HEADS}
    vision = {
        "depth": 2,
        "embed_dim": HIDDEN,
        "hidden_size": HIDDEN,
        "mlp_ratio": 2,
        "num_heads": HEADS,
        "patch_size": PATCH_PX,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    image, video, start, end = (tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names)
    return Qwen2VLConfig(
        text_config=_language_model(tokenizer) | language,
        vision_config=vision,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=True,
        architectures=["Qwen2VLForConditionalGeneration"],
    )


def _llava_next(tokenizer: Any) -> Any:
    from transformers import LlavaNextConfig

    own = {"image_grid_pinpoints": PINPOINTS, "architectures": ["LlavaNextForConditionalGeneration"]}
    return LlavaNextConfig(**(_llava_values(tokenizer) | own))


def _llava(tokenizer: Any) -> Any:
    from transformers import LlavaConfig

    return LlavaConfig(**_llava_values(tokenizer), architectures=["LlavaForConditionalGeneration"])


def _llava_values(tokenizer: Any) -> dict[str, Any]:
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "image_size": IMAGE_PX,
        "patch_size": PATCH_PX,
    }
    return {
        "text_config": _language_model(tokenizer) | {"model_type": "llama"},
        "vision_config": vision,
        "image_token_index": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "vision_feature_select_strategy": "default",
        "vision_feature_layer": -1,
        "image_seq_length": (IMAGE_PX // PATCH_PX) ** 2,
        "tie_word_embeddings": True,
    }


def _text(tokenizer: Any) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(**_language_model(tokenizer), architectures=["Qwen3ForCausalLM"])
