"""Processes that train and one vLLM server (a double of one) that samples: rank 0 sends, each asks for its own."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from rilctl.artifacts.read import read_rows
from rilctl.config.fields import ModelConfig
from rilctl.models.loaded.vlm import load_vlm
from rilctl.models.loaded.weights import export_untied
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure
from rilctl.testing.ranks import PATIENCE_S, QUIET
from rilctl.testing.vllm_double import VllmDouble
from rilctl.testing.workspaces import write_workspace

ROWS_AT_ONCE = 3
SETS = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=3",
    "train.questions_per_step=4",
    "train.checkpoint_every=3",
    "train.validate_every=3",
    "train.sampling.max_new_tokens=8",
    "train.generation.type=vllm-server",
    f"train.generation.rows_per_batch={ROWS_AT_ONCE}",
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    student = load_vlm(ModelConfig(model="student"), base_dir=directory, device=torch.device("cpu"))
    export_untied(student, directory / "served", torch.float32)
    return directory


def train(workspace: Path, server: ScriptedEndpoint, out: Path, *, stage: int, num_ranks: int = 2) -> str:
    """What a run that ends well says on stderr."""
    url = f"train.generation.url=http://127.0.0.1:{server.port}"
    engine = f"train.engine={{ type = 'deepspeed', zero_stage = {stage} }}"
    sets = (part for key in (*SETS, url, engine) for part in ("--set", key))
    done = subprocess.run(
        [sys.executable, "-m", "rilctl", "train", "--gpus", str(num_ranks), *sets, "--out", str(out)],
        cwd=workspace,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def sampled(server: ScriptedEndpoint) -> list[dict[str, Any]]:
    """Requests for rollouts; the proof's and the validation's are at other temperatures."""
    asked = [call.body for call in server.calls if call.path == "/inference/v1/generate"]
    return [body for body in asked if body["sampling_params"]["temperature"] == 1.0]


def steps(out: Path) -> list[dict[str, float]]:
    return [line for line in read_metrics(out / "metrics.jsonl") if "policy/loss" in line]


def learned(out: Path) -> list[dict[str, float]]:
    """The same without what the proofs measured: each has questions of its own, and replayed steps have none."""
    return [{name: value for name, value in line.items() if not name.startswith("sync/")} for line in steps(out)]


@pytest.mark.parametrize(("stage", "num_ranks"), [(2, 2), (3, 3)])
def test_each_rank_asks_for_its_own_rollouts_by_proven_weights(
    stage: int, num_ranks: int, workspace: Path, tmp_path: Path
) -> None:
    with ScriptedEndpoint(VllmDouble(workspace / "served")) as server:
        train(workspace, server, tmp_path / "out", stage=stage, num_ranks=num_ranks)
        bodies, most = sampled(server), server.most_at_once
    metrics = steps(tmp_path / "out")
    assert len(metrics) == 3
    assert all(line["sync/logprob_error"] < 1e-4 for line in metrics)
    assert all(0 <= line["policy/student_mismatch_kl"] < 1e-6 for line in metrics)
    rows = list(read_rows(tmp_path / "out/rollouts", RolloutRecord))
    assert len({(row.step, row.sample_id, row.response_index) for row in rows}) == len(rows) == 3 * 4 * 2
    seeds = Counter(body["sampling_params"]["seed"] for body in bodies)
    assert len(seeds) == len(rows) and set(seeds.values()) == {1}
    assert all(part["url"] is None for body in bodies for part in body["content_parts"])  # it was sent before
    assert 1 < most <= ROWS_AT_ONCE


@pytest.mark.parametrize("stage", [2, 3])
def test_a_server_that_dies_in_a_step_is_given_the_weights_again(stage: int, workspace: Path, tmp_path: Path) -> None:
    with ScriptedEndpoint(VllmDouble(workspace / "served")) as server:
        train(workspace, server, tmp_path / "whole", stage=stage)
    double, died = VllmDouble(workspace / "served"), []

    def die_once(call: Call) -> Wire | None:
        if call.body.get("sampling_params", {}).get("temperature") == 1.0 and len(sampled(server)) >= 12 and not died:
            died.append(call)
            double.restart()
            return failure(503, "going down")
        return None

    double.trouble = die_once
    with ScriptedEndpoint(double) as server:
        train(workspace, server, tmp_path / "out", stage=stage)
        seeds = Counter(body["sampling_params"]["seed"] for body in sampled(server))
    assert died and len(seeds) == 3 * 4 * 2
    assert sum(seeds.values()) - len(seeds) <= 2 * 8  # of one step, with a name and then with the picture
    assert learned(tmp_path / "out") == learned(tmp_path / "whole")


def test_what_every_rank_sampled_before_a_kill_is_not_asked_again(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ScriptedEndpoint(VllmDouble(workspace / "served")) as server:
        train(workspace, server, tmp_path / "whole", stage=2)
        expected = sampled(server)
    double, killed = VllmDouble(workspace / "served"), []

    def kill(call: Call) -> Wire | None:
        """The trainer, when it sends the weights of step 3: steps 1 and 2 were sampled, and no checkpoint written."""
        if call.body.get("method") == "reload_weights" and len(sampled(server)) == 16:
            killed.append(call)
            for process in [*psutil.Process(running.pid).children(recursive=True), psutil.Process(running.pid)]:
                process.kill()
        return None

    double.trouble = kill
    with ScriptedEndpoint(double) as server:
        url = f"train.generation.url=http://127.0.0.1:{server.port}"
        engine = "train.engine={ type = 'deepspeed', zero_stage = 2 }"
        sets = [part for key in (*SETS, url, engine) for part in ("--set", key)]
        command = [sys.executable, "-m", "rilctl", "train", "--gpus", "2", *sets, "--out", str(out)]
        running = subprocess.Popen(command, cwd=workspace, env={**os.environ, **QUIET}, stderr=subprocess.DEVNULL)
        running.wait(PATIENCE_S)
        assert killed and not (out / "student").exists()
        double.trouble = lambda _: None
        train(workspace, server, out, stage=2)
        seeds = Counter(body["sampling_params"]["seed"] for body in sampled(server))
    assert seeds == Counter(body["sampling_params"]["seed"] for body in expected)
    assert learned(out) == learned(tmp_path / "whole")
