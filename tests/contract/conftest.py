"""A workspace with data, models and a recipe, and one in which all six verbs have run."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.recipe import VERBS
from rilctl.testing.workspaces import write_workspace

from .helpers import call


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, models and a recipe of few steps; not to be changed."""
    workspace = tmp_path_factory.mktemp("workspace")
    recipe = write_workspace(workspace, num_questions=12)
    text = (
        recipe.read_text()
        .replace("num_steps = 6", "num_steps = 3")
        .replace("max_new_tokens = 32", "max_new_tokens = 8")
    )
    recipe.write_text(
        text.replace("limit = 8", "limit = 4").replace("questions_per_step = 3", "questions_per_step = 2")
    )
    return workspace


@pytest.fixture(scope="session")
def finished(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A workspace where every verb has run, and what each said with `--json`; not to be changed."""
    workspace = tmp_path_factory.mktemp("finished") / "workspace"
    shutil.copytree(pristine, workspace)
    reports = {}
    for verb in VERBS:
        outcome = call(workspace, verb, "recipe.toml", "--json")
        assert outcome.code == 0, outcome.stderr
        reports[verb] = outcome.report
    return workspace, reports


@pytest.fixture
def fresh(pristine: Path, tmp_path: Path) -> Path:
    """A workspace of one's own in which nothing has run."""
    return Path(shutil.copytree(pristine, tmp_path / "workspace"))


@pytest.fixture
def done(finished: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path) -> Path:
    """A workspace of one's own in which every verb has run."""
    return Path(shutil.copytree(finished[0], tmp_path / "workspace"))
