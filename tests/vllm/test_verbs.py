"""The verbs on vLLM, as a person runs them: teachers, 20 RIL steps in process and over a server, evaluation."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_rows
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.registry import find_metric
from rilctl.schemas.records import ResponseRecord, RolloutRecord

from .conftest import MODEL, Server

RECIPE = f"""\
[data]
type = "digits"
num_questions = 24
validation = {{ split = "validation", num_samples = 8 }}

[student]
model = "{MODEL}"

[teachers.qwen]
model = "pocket-teacher-qwen"

[teachers.internvl]
model = "pocket-teacher-internvl"

[cache-teacher]
num_responses = 2
sampling = {{ max_new_tokens = 24 }}
engine = {{ type = "vllm", kv_cache_bytes = 268_435_456, max_length_tokens = 256 }}

[train]
num_steps = 20
questions_per_step = 6
num_student_rows = 4
num_teacher_rows = 2
sampling = {{ max_new_tokens = 24 }}
optim = {{ lr = 5e-4 }}
discriminator = {{ optim = {{ lr = 1e-3 }} }}
validate_every = 10
num_validation_questions = 8
checkpoint_every = 5

[eval]
limit = 16
engine = {{ type = "vllm", kv_cache_bytes = 268_435_456, max_length_tokens = 256 }}
"""
LOCAL = ("train.generation.type=vllm", "train.generation.kv_cache_bytes=268435456")


def run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rilctl", *arguments]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True)


def rilctl(workspace: Path, verb: str, *arguments: str) -> dict:
    done = run(workspace, verb, "recipe.toml", "--json", *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)  # vLLM prints, and stdout is ours alone


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    (directory / "recipe.toml").write_text(RECIPE)
    rilctl(directory, "cache-teacher")
    return directory


def test_two_teachers_answer_in_one_process(workspace: Path):
    rows = list(read_rows(workspace / "runs/recipe/cache-teacher", ResponseRecord))
    assert {(row.source, row.response_index) for row in rows} == {(t, i) for t in ("qwen", "internvl") for i in (0, 1)}
    assert len(rows) == 24 * 4


@pytest.mark.parametrize("kind", ["in process", "server"])
def test_20_ril_steps_each_from_proven_weights(
    kind: str, workspace: Path, server: Server, capsys: pytest.CaptureFixture[str]
):
    sets = LOCAL
    if kind == "server":
        server.wait()
        sets = ("train.generation.type=vllm-server", f"train.generation.url={server.url}")
    out = workspace / "runs" / kind.replace(" ", "-")
    rilctl(workspace, "train", "--out", str(out), *(part for key in sets for part in ("--set", key)))
    metrics = [line for line in read_metrics(out / "metrics.jsonl") if "policy/loss" in line]
    assert len(metrics) == 20
    assert all(line["sync/logprob_error"] <= 1e-4 for line in metrics)
    assert all(0 <= line["policy/student_mismatch_kl"] < 1e-6 for line in metrics)
    assert all(line["policy/student_effective_sample_size"] > 0.9999 for line in metrics)
    assert all(line["policy/student_cut_share"] == 0 for line in metrics)
    assert {name for line in metrics for name in line if find_metric(name) is None} == {"step"}
    rollouts = list(read_rows(out / "rollouts", RolloutRecord))
    assert {row.step for row in rollouts} == set(range(1, 21))
    assert any(row.advantage for row in rollouts)
    errors = [line["sync/logprob_error"] for line in metrics]
    with capsys.disabled():
        print(f"\n{kind}: largest difference of a log-probability after 20 updates: {max(errors):.1e}")


def test_a_student_is_measured(workspace: Path):
    summary = rilctl(workspace, "eval", "--set", f"eval.student={MODEL}", "--suite", "digits")
    assert "evaluation" in summary["outputs"]


def test_a_judge_is_loaded_here_and_watched(workspace: Path):
    """A pocket model gives no verdict on anything: what it says to the first canary is why the run ends."""
    (workspace / "judge.toml").write_text(f"""\
[judge]
type = "llm"
model = "{MODEL}"
rubric = "{{question}}{{answer}}{{response}}{{verdict}}"
engine = {{ type = "vllm", kv_cache_bytes = 268_435_456, max_length_tokens = 512 }}
max_new_tokens = 8
num_retries = 0
""")
    done = run(workspace, "judge", "recipe.toml", "judge.toml")
    assert done.returncode == 1
    assert re.search("no verdict on any (wrong|right) canary: no verdict in the reply: ", done.stderr), done.stderr
    assert not (workspace / "runs/recipe/judge/manifest.json").exists()
