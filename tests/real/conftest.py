"""A real language model, and a folder with questions for it."""

from pathlib import Path

import pytest

from .questions import write_questions
from .smollm2 import write_smollm2


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    return write_smollm2(tmp_path_factory.mktemp("models") / "smollm2")


@pytest.fixture
def workspace(smollm2: Path, tmp_path: Path) -> Path:
    write_questions(tmp_path)
    (tmp_path / "smollm2").symlink_to(smollm2)
    return tmp_path
