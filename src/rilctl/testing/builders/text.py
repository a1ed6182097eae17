"""A language model without a vision tower: Qwen3."""

from pathlib import Path

from rilctl.testing.builders.base import language_model, read_tokenizer


def write(directory: Path) -> None:
    """Make the pocket student's directory one."""
    from transformers import Qwen3Config

    config = Qwen3Config(**language_model(read_tokenizer(directory)), architectures=["Qwen3ForCausalLM"])
    config.save_pretrained(directory)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (directory / name).unlink()
