"""Artifacts of another user: what may be read is as good as one's own, what may not be isn't called damaged."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.recipe import VERBS

from .helpers import Outcome, snapshot

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def theirs(finished: tuple[Path, dict[str, dict[str, Any]]]) -> Iterator[Path]:
    """A finished workspace that one may read and not write, wherever this runs; not below a folder of root's."""
    folder = Path(tempfile.mkdtemp(prefix="rilctl-test-"))
    folder.chmod(0o755)
    (folder / "home").mkdir()
    workspace = Path(shutil.copytree(finished[0], folder / "workspace"))
    workspace.chmod(0o755)
    for path in workspace.rglob("*.safetensors"):
        if "runs" not in path.parts:
            path.chmod(0o644)  # the models that the workspace came with; its artifacts are as rilctl left them
    _let_write(workspace, False)
    (folder / "home").chmod(0o777)
    yield workspace
    _let_write(workspace, True)
    shutil.rmtree(folder)


def _let_write(folder: Path, may: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if may else mode & ~0o222)


def ask(workspace: Path, *commands: Sequence[str]) -> list[Outcome]:
    """Command lines of a user who owns nothing, each with `--json`."""
    home = str(workspace.parent / "home")
    order = {"workspace": str(workspace), "commands": [[*command, "--json"] for command in commands]}
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.stranger"],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": home, "HF_HOME": home, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*outcome) for outcome in json.loads(done.stdout)]


def test_a_finished_run_that_may_only_be_read_is_up_to_date(theirs: Path) -> None:
    before = snapshot(theirs)
    for verb, outcome in zip(VERBS, ask(theirs, *([verb, "recipe.toml"] for verb in VERBS)), strict=True):
        assert (outcome.code, outcome.report["status"]) == (0, "up-to-date"), f"{verb}: {outcome.stderr}"
    assert snapshot(theirs) == before


def test_verify_tells_what_may_not_be_read_from_what_was_changed(theirs: Path) -> None:
    run = theirs / "runs/recipe/sft"
    assert [outcome.code for outcome in ask(theirs, ["artifacts", "verify", str(run)])] == [0]
    (run / "model.safetensors").chmod(0o000)
    (outcome,) = ask(theirs, ["artifacts", "verify", str(run)])
    assert (outcome.code, outcome.report["problems"][0]["state"]) == (5, "unreadable")
    assert "`model.safetensors` can't be read: permission denied" in outcome.stderr
    assert "you may not read all of it" in outcome.stderr and "not as it was written" not in outcome.stderr
    (run / "manifest.json").chmod(0o000)
    (outcome,) = ask(theirs, ["artifacts", "verify", str(run)])
    assert outcome.code == 5 and "not as it was written" not in outcome.stderr and "internal" not in outcome.stderr


def test_an_artifact_that_may_not_be_read_is_no_damaged_input(theirs: Path) -> None:
    (theirs / "runs/recipe/sft/model.safetensors").chmod(0o000)
    (theirs / "runs/recipe/cache-teacher").chmod(0o000)
    commands = (["eval", "recipe.toml", "--set", 'eval.student="runs/recipe/sft"'], ["judge", "recipe.toml"])
    for outcome, name in zip(ask(theirs, *commands), ("model.safetensors", "cache-teacher"), strict=True):
        outcome.refused(5, f"{name}` can't be read: permission denied", "ask its owner")
    (theirs / "runs/recipe/cache-teacher").chmod(0o555)
