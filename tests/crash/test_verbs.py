"""kill -9 in the middle of a verb; the same command again makes the same artifact as a run that nobody disturbed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.testing.workspaces import write_workspace

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
PATIENCE_S = 240


def rilctl(workspace: Path, *arguments: str) -> dict:
    command = [sys.executable, "-m", "rilctl", *arguments, "--json"]
    done = subprocess.run(command, cwd=workspace, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kill_when(workspace: Path, ready: Callable[[], bool], *arguments: str) -> None:
    """Start a verb and kill it as soon as it has got somewhere; it must not have finished."""
    command = [sys.executable, "-m", "rilctl", *arguments]
    process = subprocess.Popen(command, cwd=workspace, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def digests(result: dict) -> dict[str, str]:
    return {role: output["content_digest"] for role, output in result["outputs"].items()}


def num_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def num_calls(workspace: Path) -> int:
    try:
        with sqlite3.connect(f"file:{workspace / 'runs/.cache/calls.sqlite3'}?mode=ro", uri=True) as database:
            return int(database.execute("select count(*) from calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """A workspace in which nobody disturbed anything."""
    workspace = tmp_path_factory.mktemp("finished")
    write_workspace(workspace)
    verbs = ("cache-teacher", "sft", "pretrain-disc", "train")
    return workspace, {verb: rilctl(workspace, verb) for verb in verbs}


@pytest.fixture
def workspace(finished: tuple[Path, dict[str, dict]], tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "workspace"
    shutil.copytree(finished[0], copy)
    return copy


def test_cache_teacher(workspace: Path, finished: tuple[Path, dict[str, dict]]):
    shutil.rmtree(workspace / "runs")
    kill_when(workspace, lambda: num_calls(workspace) > 20, "cache-teacher")
    assert not (workspace / "runs/recipe/cache-teacher/manifest.json").exists()
    kept = num_calls(workspace)
    assert digests(rilctl(workspace, "cache-teacher")) == digests(finished[1]["cache-teacher"])
    assert 20 < kept < num_calls(workspace)


@pytest.mark.parametrize(("verb", "lines"), [("sft", 3), ("pretrain-disc", 3), ("train", 4)])
def test_training(verb: str, lines: int, workspace: Path, finished: tuple[Path, dict[str, dict]]):
    out = workspace / "runs/recipe" / verb
    shutil.rmtree(out)
    kill_when(workspace, lambda: num_lines(out / "metrics.jsonl") >= lines, verb)
    assert (out / "resume").is_dir()
    assert digests(rilctl(workspace, verb)) == digests(finished[1][verb])
    undisturbed = (finished[0] / "runs/recipe" / verb / "metrics.jsonl").read_text()
    assert (out / "metrics.jsonl").read_text() == undisturbed
    assert not (out / "resume").exists()
    again = rilctl(workspace, verb)
    assert again["status"] == "up-to-date" and digests(again) == digests(finished[1][verb])


def test_training_of_adapters_on_shared_weights(workspace: Path):
    adapters = ("--set", "train.lora.rank=4", "--set", "train.discriminator.lora.rank=4")
    discriminator = ("--set", "train.discriminator_artifact=runs/adapter")
    rilctl(workspace, "pretrain-disc", "--set", "pretrain-disc.lora.rank=4", "--out", "runs/adapter")
    command = ("train", *adapters, *discriminator, "--out")
    undisturbed = rilctl(workspace, *command, "runs/undisturbed")
    out = workspace / "runs/disturbed"
    kill_when(workspace, lambda: num_lines(out / "metrics.jsonl") >= 4, *command, "runs/disturbed")
    assert digests(rilctl(workspace, *command, "runs/disturbed")) == digests(undisturbed)
    assert (out / "metrics.jsonl").read_text() == (workspace / "runs/undisturbed/metrics.jsonl").read_text()
