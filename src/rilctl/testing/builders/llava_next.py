"""LLaVA-NeXT, to the package of an unknown family."""

from pathlib import Path

from rilctl.testing.builders.llava import values, write_processor

PINPOINTS = [[56, 112], [112, 56], [112, 112]]
"""Sizes that a picture is cut into tiles at."""


def write(directory: Path) -> None:
    """Make the pocket student's directory one."""
    from transformers import LlavaNextConfig

    own = {"image_grid_pinpoints": PINPOINTS, "architectures": ["LlavaNextForConditionalGeneration"]}
    LlavaNextConfig(**(values(directory) | own)).save_pretrained(directory)
    pixels = {"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": PINPOINTS}
    write_processor(directory, "LlavaNextProcessor", **pixels)
