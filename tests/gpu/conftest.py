"""What a GPU alone can show. Without one nothing runs, and that is an error."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rilctl.models.loaded.vlm import Vlm
from rilctl.testing.families import build_models, load_to_train

os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # float32 is compared with float32, also inside the libraries' kernels
DEVICE = torch.device("cuda")
LoadVlm = Callable[[str], Vlm]


def pytest_sessionstart() -> None:
    if not torch.cuda.is_available():
        pytest.exit("tests/gpu needs a GPU, and torch sees none", returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))  # libraries warn of what they do on a GPU


@pytest.fixture(scope="session")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def load(model_dirs: dict[str, Path]) -> LoadVlm:
    """A fresh copy of a small model, float32."""

    return lambda name: load_to_train(model_dirs[name], DEVICE)
