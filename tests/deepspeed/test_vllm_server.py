"""Two processes that train and one vLLM server (a double of one) that samples: rank 0 sends, asks, shares."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from rilctl.artifacts.read import read_rows
from rilctl.config.fields import ModelConfig
from rilctl.models.vlm import load_vlm
from rilctl.models.weights import export_untied
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.endpoint import ScriptedEndpoint
from rilctl.testing.ranks import PATIENCE_S, QUIET
from rilctl.testing.vllm_double import VllmDouble
from rilctl.testing.workspaces import write_workspace

SETS = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=3",
    "train.questions_per_step=4",
    "train.validate_every=3",
    "train.sampling.max_new_tokens=8",
    "train.generation.type=vllm-server",
)


@pytest.mark.parametrize("stage", [2, 3])
def test_every_rank_learns_from_proven_weights(stage: int, tmp_path: Path) -> None:
    write_workspace(tmp_path)
    student = load_vlm(ModelConfig(model="student"), base_dir=tmp_path, device=torch.device("cpu"))
    export_untied(student, tmp_path / "served", torch.float32)
    with ScriptedEndpoint(VllmDouble(tmp_path / "served")) as server:
        url = f"train.generation.url=http://127.0.0.1:{server.port}"
        engine = f"train.engine={{ type = 'deepspeed', zero_stage = {stage} }}"
        sets = (part for key in (*SETS, url, engine) for part in ("--set", key))
        done = subprocess.run(
            [sys.executable, "-m", "rilctl", "train", "--gpus", "2", *sets, "--out", "out"],
            cwd=tmp_path,
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        params = [call.body["sampling_params"] for call in server.calls if call.path == "/inference/v1/generate"]
    assert done.returncode == 0, done.stderr
    metrics = [line for line in read_metrics(tmp_path / "out/metrics.jsonl") if "policy/loss" in line]
    assert len(metrics) == 3
    assert all(line["sync/logprob_error"] < 1e-4 for line in metrics)
    assert all(0 <= line["policy/student_mismatch_kl"] < 1e-6 for line in metrics)
    rows = list(read_rows(tmp_path / "out/rollouts", RolloutRecord))
    assert len({(row.step, row.sample_id, row.response_index) for row in rows}) == len(rows) == 3 * 4 * 2
    seeds = Counter(each["seed"] for each in params if each["temperature"] == 1.0)
    assert len(seeds) == len(rows) and set(seeds.values()) == {1}
