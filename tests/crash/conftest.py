"""A small workspace in which all six verbs have run."""

import shutil
from pathlib import Path

import pytest

from .changed_files import make_workspace


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    workspace = tmp_path_factory.mktemp("made") / "workspace"
    make_workspace(workspace)
    return workspace


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return Path(shutil.copytree(made, tmp_path / "workspace"))
