"""A small model that no test changes, and copies that they may."""

import shutil
from pathlib import Path

import pytest

from rilctl.testing.small_vlms import build_small_vlm


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("model") / "student")


@pytest.fixture
def own_model(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "student"))
