"""LLaVA, on Llama and CLIP."""

from pathlib import Path
from typing import Any

from rilctl.testing.builders.base import (
    IMAGE_PX,
    PATCH_PX,
    change,
    change_processor,
    language_model,
    read_tokenizer,
    vision_tower,
)


def write(directory: Path) -> None:
    """Make the pocket student's directory one."""
    from transformers import LlavaConfig

    config = LlavaConfig(**values(directory), architectures=["LlavaForConditionalGeneration"])
    config.save_pretrained(directory)
    write_processor(directory, "LlavaProcessor", image_processor_type="CLIPImageProcessor")


def values(directory: Path) -> dict[str, Any]:
    """Of the configuration."""
    tokenizer = read_tokenizer(directory)
    return {
        "text_config": language_model(tokenizer) | {"model_type": "llama"},
        "vision_config": vision_tower(model_type="clip_vision_model"),
        "image_token_index": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "vision_feature_select_strategy": "default",
        "vision_feature_layer": -1,
        "image_seq_length": (IMAGE_PX // PATCH_PX) ** 2,
        "tie_word_embeddings": True,
    }


def write_processor(directory: Path, class_name: str, **pixels: Any) -> None:
    """Its files; `pixels`: values of the image processor."""
    size = {"height": IMAGE_PX, "width": IMAGE_PX}
    change_processor(directory, class_name, size=size, crop_size=size, do_center_crop=False, **pixels)
    own = {"patch_size": PATCH_PX, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
    change(directory / "processor_config.json", image_token="<|image_pad|>", **own)
