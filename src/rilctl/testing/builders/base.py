"""What the small models have in common: they are made from the pocket student's directory."""

import json
from pathlib import Path
from typing import Any

HIDDEN, HEADS, PATCH_PX, IMAGE_PX = 48, 4, 14, 56


def read_tokenizer(directory: Path) -> Any:
    """The tokenizer of a model directory."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def change(file: Path, **values: Any) -> None:
    """Other values in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_processor(directory: Path, class_name: str, **values: Any) -> None:
    """The library's class of the processor, and values of the image processor."""
    change(directory / "processor_config.json", processor_class=class_name)
    change(directory / "preprocessor_config.json", processor_class=class_name, **values)


def language_model(tokenizer: Any) -> dict[str, Any]:
    """Values of a small language model's configuration."""
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
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def placeholders(tokenizer: Any) -> dict[str, Any]:
    """Qwen-VL's names for tokens around pictures, which the pocket student's tokenizer has."""
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad"}
    names |= {f"{name}_token_id": name for name in ("vision_start", "vision_end")}
    return {field: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for field, name in names.items()}


def vision_tower(**values: Any) -> dict[str, Any]:
    """Values of a small CLIP's or SigLIP's configuration."""
    return {
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "image_size": IMAGE_PX,
        "patch_size": PATCH_PX,
        **values,
    }


def add_tokens(directory: Path, tokens: tuple[str, ...], template: str, *, eos_token: str) -> Any:
    """The tokenizer with more special tokens and another chat template, also in the directory."""
    tokenizer = read_tokenizer(directory)
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    tokenizer.eos_token, tokenizer.chat_template = eos_token, template
    tokenizer.save_pretrained(directory)
    change(directory / "generation_config.json", eos_token_id=tokenizer.eos_token_id)
    return tokenizer
