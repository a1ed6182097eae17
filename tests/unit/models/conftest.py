"""Small models, loaded once for all tests of the room."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch

from rilctl.config.fields import ModelConfig
from rilctl.models.vlm import Vlm, load_vlm
from rilctl.quickstart.shapes import ShapeName
from rilctl.testing.families import BuiltFamily, build_family
from rilctl.testing.small_vlms import build_small_vlm

LoadVlm = Callable[[str], Vlm]


@pytest.fixture(scope="session")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    pocket: tuple[ShapeName, ...] = ("pocket-student", "pocket-teacher-internvl")
    others = get_args(BuiltFamily)
    return {name: build_small_vlm(root / name, name) for name in pocket} | {
        name: build_family(root / name, name) for name in others
    }


@pytest.fixture
def load(model_dirs: dict[str, Path]) -> LoadVlm:
    """A fresh copy of a small model, float32, so that a test may change it."""

    def load(name: str) -> Vlm:
        config = ModelConfig(model=str(model_dirs[name]))
        return load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)

    return load
