"""`sft.preference` from the recipe to the artifact: whose responses, how many pairs, the same when interrupted."""

import json
import shutil
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, read_rows, resolve
from rilctl.config.load import load_recipe
from rilctl.errors import ArtifactError, ConfigError, InterruptedByUser
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.shared import student_responses
from rilctl.stages.shared.context import StageContext
from rilctl.testing.stages import StopsAfter, run_stage
from rilctl.testing.workspaces import write_workspace

DPO = ("sft.responses=teacher-cache", "sft.preference.loss=dpo", "sft.validate_every=100", "sft.num_steps=4")
SAMPLED = (*DPO, "sft.preference.num_responses=2")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=8)
    run_stage(directory, "cache-teacher")
    return directory


def sections(workspace: Path, *keys: str) -> dict:
    recipe = load_recipe([workspace / "recipe.toml"], keys)
    context = StageContext(recipe, "recipe", workspace, workspace / "planned", SilentReporter(), "rilctl …")
    found: dict = plan_object(load_stage("sft").plan(context))["plan"]
    return found


def test_the_students_own_are_sampled_as_pretrain_disc_does_and_stored(workspace: Path, tmp_path: Path) -> None:
    result = run_stage(workspace, "sft", *SAMPLED, out=tmp_path / "out")
    assert [*result.outputs] == ["student", "responses"] and not result.num_rejected
    lineage = {entry.role for entry in read_manifest(resolve(tmp_path / "out", "student")).inputs}
    assert lineage == {"student", "data", "validation", "teacher-cache"}
    first, *_, last = read_metrics(tmp_path / "out/metrics.jsonl")
    assert first["sft/loss"] == pytest.approx(0.693147, rel=1e-5) and first["sft/reward_margin"] == 0  # nothing learned
    assert last["sft/reward_margin"] != 0 and 0 <= last["sft/preference_accuracy"] <= 1
    assert run_stage(workspace, "sft", *SAMPLED, out=tmp_path / "out").up_to_date

    run_stage(workspace, "pretrain-disc", "pretrain-disc.student=student", out=tmp_path / "disc")
    theirs = {(row.sample_id, row.response_index): row.text for row in read_own(tmp_path / "disc")}
    assert {(row.sample_id, row.response_index): row.text for row in read_own(tmp_path / "out")} == theirs

    named = (*DPO, f"sft.preference.responses={tmp_path / 'disc'}")
    again = run_stage(workspace, "sft", *named, out=tmp_path / "named")
    assert [*again.outputs] == ["student"]
    assert again.outputs["student"].content_digest == result.outputs["student"].content_digest


def read_own(out: Path) -> list[ResponseRecord]:
    return list(read_rows(resolve(out, "responses"), ResponseRecord))


def test_a_plan_counts_the_pairs_of_a_run_and_what_it_samples(workspace: Path, tmp_path: Path) -> None:
    run_stage(workspace, "sft", *SAMPLED, out=tmp_path / "sampled")
    counts = read_metrics(tmp_path / "sampled/metrics.jsonl")[0]
    work = sections(workspace, *DPO, f"sft.preference.responses={tmp_path / 'sampled'}")["work"]
    assert work["pairs"] == counts["sft/num_kept"] and "own_responses" not in work
    planned = sections(workspace, *SAMPLED)
    assert planned["work"]["own_responses"] == len(read_own(tmp_path / "sampled"))
    assert planned["work"]["sampled_tokens"] == 8 * planned["work"]["own_responses"]
    assert {"sampling", "reference", "update"} <= planned["memory"].keys()
    assert "reference" not in sections(workspace, *SAMPLED, "sft.preference.loss=simpo")["memory"]


def test_rollouts_of_train_will_do(workspace: Path, tmp_path: Path) -> None:
    keys = ("train.num_steps=2", "train.algorithm.name=dr_grpo_teachers", "train.num_validation_questions=1")
    run_stage(workspace, "train", *keys, f"train.student={workspace / 'student'}", out=tmp_path / "train")
    named = (*DPO, f"sft.preference.responses={tmp_path / 'train'}")
    run_stage(workspace, "sft", *named, out=tmp_path / "out")
    assert "rollouts" in {entry.role for entry in read_manifest(tmp_path / "out").inputs}
    counts = read_metrics(tmp_path / "out/metrics.jsonl")[0]
    assert counts["sft/num_left_out/no-own-response"] > 0  # two steps don't ask all questions
    assert sections(workspace, *named)["work"]["left_out_no_own_response"] > 0


def test_an_interrupted_run_ends_as_one_that_nobody_disturbed(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = (*SAMPLED, "sft.lora.rank=2", "sft.checkpoint_every=100")
    whole = run_stage(workspace, "sft", *keys, out=tmp_path / "whole")
    for stops in (StopsAfter(1), StopsAfter(3)):  # when it has sampled, and after two steps
        with pytest.raises(InterruptedByUser):
            run_stage(workspace, "sft", *keys, out=tmp_path / "out", reporter=stops, stop=stops.stop)
        shutil.rmtree(workspace / "runs/.cache")  # what was sampled is sampled again, alike
    monkeypatch.setattr(student_responses, "open_generation", lambda *args, **kwargs: pytest.fail("it is asked again"))
    again = run_stage(workspace, "sft", *keys, out=tmp_path / "out")
    assert {role: out.content_digest for role, out in again.outputs.items()} == {
        role: out.content_digest for role, out in whole.outputs.items()
    }
    assert (tmp_path / "out/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def test_what_cant_be_preferred_is_refused(workspace: Path, tmp_path: Path) -> None:
    cache = workspace / "runs/recipe/cache-teacher"
    with pytest.raises(ArtifactError, match="holds a teacher-cache, not responses"):
        run_stage(workspace, "sft", *DPO, f"sft.preference.responses={cache}", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="two answers to one prompt"):
        load_recipe([workspace / "recipe.toml"], ["sft.whole_conversations=true", "sft.preference.loss=dpo"])
    with pytest.raises(ConfigError, match=r"sft\.preference\.loss"):
        load_recipe([workspace / "recipe.toml"], ["sft.preference.loss=ppo"])


def test_what_a_recipe_leaves_out_is_the_losss_own(workspace: Path) -> None:
    def keys(*given: str) -> tuple[float, float]:
        sft = load_recipe([workspace / "recipe.toml"], given).sft
        assert sft is not None and sft.preference is not None
        return sft.preference.beta, sft.preference.margin

    assert keys("sft.preference.loss=dpo") == (0.1, 0.0)
    assert keys("sft.preference.loss=simpo") == (2.0, 1.0)
    assert keys("sft.preference.beta=0.5", "sft.preference.loss=simpo") == (0.5, 1.0)


def test_a_recipe_without_it_means_what_it_did(workspace: Path) -> None:
    sft = load_recipe([workspace / "recipe.toml"]).sft
    assert sft is not None
    dumped = json.loads(sft.model_dump_json())
    assert not {"preference", "keep", "difficulty"} & dumped.keys()
