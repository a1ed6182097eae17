"""`train` with rollouts from a vLLM server (a double of one)."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rilctl.config.fields import ModelConfig
from rilctl.config.load import load_recipe
from rilctl.models.loaded.vlm import load_vlm
from rilctl.models.loaded.weights import export_untied
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.train import run as train
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.testing.endpoint import ScriptedEndpoint
from rilctl.testing.vllm_double import VllmDouble
from rilctl.testing.workspaces import write_workspace

SETS = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=4",
    "train.checkpoint_every=2",
    "train.validate_every=4",
    "train.sampling.max_new_tokens=8",
    "train.generation.type=vllm-server",
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=24)
    student = load_vlm(ModelConfig(model="student"), base_dir=directory, device=torch.device("cpu"))
    export_untied(student, directory / "served", torch.float32)
    return directory


def run(workspace: Path, server: ScriptedEndpoint, out: Path) -> StageResult:
    url = f"train.generation.url=http://127.0.0.1:{server.port}"
    recipe = load_recipe([workspace / "recipe.toml"], (*SETS, url))
    return train.run(StageContext(recipe, "recipe", workspace, out, SilentReporter(), "rilctl …"))


def rollout_seeds(server: ScriptedEndpoint) -> Counter[int]:
    params = [call.body["sampling_params"] for call in server.calls if call.path == "/inference/v1/generate"]
    return Counter(each["seed"] for each in params if each["temperature"] == 1.0)


def weights(result: StageResult) -> dict[str, torch.Tensor]:
    return load_file(Path(result.outputs["student"].path) / "model.safetensors")


def test_a_run_that_dies_after_sampling_asks_nothing_twice(workspace: Path, tmp_path: Path, monkeypatch):
    with ScriptedEndpoint(VllmDouble(workspace / "served")) as server:
        undisturbed = run(workspace, server, tmp_path / "whole")
        expected = rollout_seeds(server)
    assert len(expected) == 4 * 3 * 2
    metrics = [line for line in read_metrics(tmp_path / "whole/metrics.jsonl") if "policy/loss" in line]
    assert len(metrics) == 4
    assert all(line["sync/logprob_error"] < 1e-4 for line in metrics)
    assert all(0 <= line["policy/student_mismatch_kl"] < 1e-6 for line in metrics)

    update, num_updates = PolicyUpdate.update, Counter[str]()

    def dies_in_step_4(self, *step):
        num_updates["policy"] += 1
        if num_updates["policy"] == 4:
            raise KeyboardInterrupt
        return update(self, *step)

    monkeypatch.setattr(PolicyUpdate, "update", dies_in_step_4)
    with ScriptedEndpoint(VllmDouble(workspace / "served")) as server:
        with pytest.raises(KeyboardInterrupt):
            run(workspace, server, tmp_path / "killed")
        assert sum(rollout_seeds(server).values()) == 24  # step 4 was sampled
        resumed = run(workspace, server, tmp_path / "killed")
        assert rollout_seeds(server) == expected  # steps 3 and 4 were learned again from what was stored
    ours, theirs = weights(undisturbed), weights(resumed)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
