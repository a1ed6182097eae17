"""Small models of all families: complete directories with random weights."""

import json
from pathlib import Path

import torch

from rilctl.config.fields import ModelConfig
from rilctl.models.families.table import FAMILIES
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.quickstart.shapes import ShapeName, write_shape
from rilctl.testing.builders.base import change
from rilctl.testing.builders.table import BUILDERS
from rilctl.testing.small_vlms import build_small_vlm

POCKET: tuple[ShapeName, ...] = ("pocket-student", "pocket-teacher-internvl")
SHARING = (*POCKET, *(name for name in BUILDERS if name in FAMILIES and FAMILIES[name].shares_prompts))
"""Small models whose family shares prompts; see `build_models`."""
PLAIN = tuple(name for name in SHARING if name not in FAMILIES or FAMILIES[name].plain_language_models)
"""Those whose rows read one copy of their prompt's keys; other rows have a copy each."""
SEEING = tuple(name for name in SHARING if name not in FAMILIES or FAMILIES[name].sees_pictures)


def build_models(directory: Path) -> dict[str, Path]:
    """Write a small model of every family, the pocket ones included; their directories by name."""
    built: dict[str, Path] = {name: build_small_vlm(directory / name, name) for name in POCKET}
    return built | {name: build_family(directory / name, name) for name in BUILDERS}


def load_to_train(directory: Path, device: torch.device) -> Vlm:
    """A fresh copy of a model, float32, so that a test may change it."""
    return load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=device, trainable=True)


def build_family(directory: Path, family: str, *, seed: int = 0, head_dim: int | None = None) -> Path:
    """Write a small model directory with random weights and return it.

    Args:
        directory: created if missing.
        family: a name in `builders`; to the package some are of an unknown family.
        seed: of the weights.
        head_dim: width of the language model's heads; vLLM's CPU kernels know no narrower ones than 32.
    """
    write_shape("pocket-student", directory)
    BUILDERS[family](directory)
    if head_dim is not None:
        text = json.loads((directory / "config.json").read_text())["text_config"]
        change(directory / "config.json", text_config=text | {"head_dim": head_dim})
    model = ModelConfig(model=str(directory), random_weights=True, seed=seed)
    made = load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True).model
    _fill_empty(made, torch.Generator().manual_seed(seed))
    made.save_pretrained(directory)
    return directory


@torch.no_grad()
def _fill_empty(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Matrices that begin as zeros, as Gemma 3's from pictures to text, would hide all that comes before them."""
    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            parameter.normal_(std=0.05, generator=generator)
