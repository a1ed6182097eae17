"""Small models, loaded once for all tests of the room."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rilctl.config.fields import ModelConfig
from rilctl.models.vlm import Vlm, load_vlm
from rilctl.testing.families import build_models

LoadVlm = Callable[[str], Vlm]


@pytest.fixture(scope="session")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def load(model_dirs: dict[str, Path]) -> LoadVlm:
    """A fresh copy of a small model, float32, so that a test may change it."""

    def load(name: str) -> Vlm:
        config = ModelConfig(model=str(model_dirs[name]))
        return load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)

    return load
