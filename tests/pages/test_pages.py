"""The code blocks of the documentation do what their pages say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rilctl

from . import blocks

ROOT = Path(__file__).resolve().parents[2]
PYTHON, EXTENDING = ROOT / "docs" / "python.md", ROOT / "docs" / "extending.md"


def test_the_python_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(blocks.run_blocks(PYTHON)) == []


def test_what_the_page_about_extending_adds_works(tmp_path: Path) -> None:
    """All of it at once, in a copy of the package."""
    shutil.copytree(
        Path(rilctl.__file__).parent, tmp_path / "src" / "rilctl", ignore=shutil.ignore_patterns("__pycache__")
    )
    blocks.write_files(EXTENDING, tmp_path)
    done = subprocess.run(
        [sys.executable, "-P", blocks.__file__, EXTENDING],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout) == []
