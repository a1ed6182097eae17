"""On-policy distillation, from the recipe to the weights, on small models in this process."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from rilctl import api
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.errors import ConfigError, InterruptedByUser, ModelError
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import StopsAfter, run_stage
from rilctl.testing.workspaces import write_workspace

DISTIL = (
    "train.algorithm.name=on_policy_distillation",
    "train.student=student",
    "train.num_steps=4",
    "train.validate_every=2",
    "train.checkpoint_every=1",
)
QWEN = "train.distillation.teacher=qwen"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No verb has run: it takes a student and a teacher, and neither a cache nor a discriminator."""
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    return directory


def digests(result: StageResult) -> dict[str, str]:
    return {role: output.content_digest for role, output in result.outputs.items()}


@pytest.mark.parametrize("teacher", ["qwen", "internvl"])
def test_a_student_comes_closer_to_its_teacher(teacher: str, workspace: Path, tmp_path: Path) -> None:
    class Told(SilentReporter):
        def warn(self, message: str) -> None:
            assert "signal" not in message, "it needs none"

    keys = (*DISTIL, f"train.distillation.teacher={teacher}", "train.num_steps=11", "train.validate_every=11")
    result = run_stage(workspace, "train", *keys, out=tmp_path / "out", reporter=Told())
    rows = read_metrics(tmp_path / "out/metrics.jsonl")[1:]
    kls = [row["policy/distillation_kl"] for row in rows]
    assert sum(kls[-3:]) < 0.9 * sum(kls[:3])
    for row in rows:
        assert row["policy/loss"] == pytest.approx(row["policy/distillation_kl"], rel=1e-5)  # summed in float32
        assert 0 <= row["policy/distillation_agreement"] <= 1 and row["policy/distillation_entropy"] > 0
        assert row["policy/num_student_tokens"] > 0
        assert not any(name.startswith(("reward/", "disc/", "group/", "judge/")) for name in row)
    assert result.outputs.keys() == {"student", "best-student", "rollouts"}
    rollouts = list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))
    assert {(row.side, row.reward, row.advantage) for row in rollouts} == {("student", None, 0.0)}
    assert all(row.in_policy for row in rollouts)
    inputs = {entry.role for entry in read_manifest(Path(result.outputs["student"].path)).inputs}
    assert inputs == {"student", "data", "validation", f"teacher:{teacher}"}


def test_a_run_that_was_stopped_goes_on_bit_for_bit(workspace: Path, tmp_path: Path) -> None:
    whole = run_stage(workspace, "train", *DISTIL, QWEN, out=tmp_path / "whole")
    stops = StopsAfter(2)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *DISTIL, QWEN, out=tmp_path / "parts", reporter=stops, stop=stops.stop)
    parts = run_stage(workspace, "train", *DISTIL, QWEN, out=tmp_path / "parts")
    assert digests(parts) == digests(whole)
    assert read_metrics(tmp_path / "parts/metrics.jsonl") == read_metrics(tmp_path / "whole/metrics.jsonl")


def test_an_adapter_learns_it_too_and_the_teacher_stays_as_it_is(workspace: Path, tmp_path: Path) -> None:
    before = load_file(workspace / "teacher-qwen/model.safetensors")
    result = run_stage(workspace, "train", *DISTIL, QWEN, "train.lora.rank=4", out=tmp_path / "out")
    base, student = (
        load_file(path / "model.safetensors") for path in (workspace / "student", Path(result.outputs["student"].path))
    )
    assert any((base[name] != student[name]).any() for name in base)
    after = load_file(workspace / "teacher-qwen/model.safetensors")
    assert all((before[name] == after[name]).all() for name in before)


def test_which_teacher_must_be_plain(workspace: Path, tmp_path: Path) -> None:
    for keys, message in (
        ((), "learns from one teacher, and the recipe has several: `qwen`, `internvl`"),
        (("train.distillation.teacher=qwem",), "there is no .teachers.qwem. table"),
        ((QWEN, 'teachers.qwen.endpoint.url="http://localhost:1/v1"'), "`qwen` is at an endpoint"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            run_stage(workspace, "train", *DISTIL, *keys, out=tmp_path / "out")
        assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_another_vocabulary_is_refused_before_anything_is_made_or_planned(workspace: Path, tmp_path: Path) -> None:
    tokenizer = workspace / "teacher-qwen/tokenizer.json"
    own = tokenizer.read_text()
    assert '"4": ' in own
    tokenizer.write_text(own.replace('"4": ', '"vier": '))
    try:
        with pytest.raises(
            ModelError, match=r"teacher `qwen` has another vocabulary .* is '4', the teacher says 'vier'"
        ):
            run_stage(workspace, "train", *DISTIL, QWEN, out=tmp_path / "out")
        recipe = api.load_recipe(workspace / "recipe.toml", overrides=(*DISTIL, QWEN), base_dir=workspace)
        with pytest.raises(ModelError, match="another vocabulary"):
            api.plan_stage(recipe, "train", out=tmp_path / "out")
    finally:
        tokenizer.write_text(own)
    assert not (tmp_path / "out").exists()


def test_the_plan_counts_the_teacher(workspace: Path, tmp_path: Path) -> None:
    def plan(*keys: str) -> dict:
        recipe = api.load_recipe(workspace / "recipe.toml", overrides=keys, base_dir=workspace)
        return api.plan_stage(recipe, "train", out=tmp_path / "out")["plan"]

    alone = plan("train.algorithm.name=dr_grpo", "train.algorithm.kl_beta=0", *DISTIL[1:])
    beside = plan(*DISTIL, QWEN)
    assert beside["inputs"]["teacher_qwen"] == "teacher-qwen" and "teacher_cache" not in beside["inputs"]
    weights = beside["model"]["teacher_parameters"]
    assert beside["work"]["teacher_operations"] == 2 * weights * beside["work"]["teacher_tokens"]
    memory, without = (found["memory"] for found in (beside, alone))
    for phase in ("rollouts", "policy_update"):
        assert memory[phase]["weights_bytes"] - without[phase]["weights_bytes"] == 4 * weights
    assert memory["teacher"]["activations_bytes"] > 0 and "teacher" not in without
