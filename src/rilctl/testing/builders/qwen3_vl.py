"""Qwen3-VL."""

from pathlib import Path

from rilctl.testing.builders.base import (
    HEADS,
    HIDDEN,
    PATCH_PX,
    change_processor,
    language_model,
    placeholders,
    read_tokenizer,
)


def write(directory: Path) -> None:
    """Make the pocket student's directory one.

    With a vision tower of three layers, one of which feeds the language model's first layer (deepstack).
    """
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
    tokenizer = read_tokenizer(directory)
    config = Qwen3VLConfig(
        text_config=language_model(tokenizer) | {"rope_parameters": rope},
        vision_config=vision,
        **placeholders(tokenizer),
        tie_word_embeddings=True,
        architectures=["Qwen3VLForConditionalGeneration"],
    )
    config.save_pretrained(directory)
    change_processor(directory, "Qwen3VLProcessor")
