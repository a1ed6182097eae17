"""Small models, loaded once for all tests of the room."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rilctl.models.loaded.vlm import Vlm
from rilctl.testing.families import build_models, load_to_train

LoadVlm = Callable[[str], Vlm]


@pytest.fixture(scope="session")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def load(model_dirs: dict[str, Path]) -> LoadVlm:
    """A fresh copy of a small model, float32, so that a test may change it."""

    return lambda name: load_to_train(model_dirs[name], torch.device("cpu"))
