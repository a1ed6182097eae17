"""Qwen2-VL, to the package of an unknown family."""

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
    """Make the pocket student's directory one."""
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
    tokenizer = read_tokenizer(directory)
    config = Qwen2VLConfig(
        text_config=language_model(tokenizer) | language,
        vision_config=vision,
        **placeholders(tokenizer),
        tie_word_embeddings=True,
        architectures=["Qwen2VLForConditionalGeneration"],
    )
    config.save_pretrained(directory)
    change_processor(directory, "Qwen2VLProcessor")
