"""Small models with random weights, complete directories in the Hugging Face layout, for tests of every verb."""

from pathlib import Path

from rilctl.config.fields import ModelConfig
from rilctl.quickstart.shapes import ShapeName, write_shape


def build_small_vlm(directory: Path, shape: ShapeName = "pocket-student", *, seed: int = 0) -> Path:
    """Write a small model directory with random weights and return it.

    Args:
        directory: created if missing.
        shape: which pocket architecture.
        seed: of the weights.
    """
    import torch

    from rilctl.models.loaded.vlm import load_vlm

    write_shape(shape, directory)
    config = ModelConfig(model=str(directory), random_weights=True, seed=seed)
    load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True).model.save_pretrained(directory)
    return directory
