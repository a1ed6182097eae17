"""What every verb promises, whatever it does: `--dry-run` writes nothing, `--json` has one shape."""

from pathlib import Path
from typing import Any, get_args

import pytest

from rilctl.artifacts.lineage import lineage
from rilctl.artifacts.read import read_manifest, summarize
from rilctl.config.recipe import VERBS
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary

from .helpers import call, snapshot

Finished = tuple[Path, dict[str, dict[str, Any]]]
ROLES = {
    "cache-teacher": ["teacher-cache"],
    "judge": ["verdicts"],
    "sft": ["student"],
    "pretrain-disc": ["discriminator", "responses"],
    "train": ["student", "best-student", "discriminator", "rollouts"],
    "eval": ["evaluation", "responses"],
}


def test_json_is_the_same_object_for_every_verb(finished: Finished) -> None:
    workspace, reports = finished
    for verb in VERBS:
        report = reports[verb]
        assert list(report) == ["verb", "status", "seconds", "outputs", "num_rejected", "summary"]
        assert (report["verb"], report["status"], report["num_rejected"]) == (verb, "done", 0)
        assert report["seconds"] > 0
        assert all(isinstance(value, str | int | float) for value in report["summary"].values())
        assert list(report["outputs"]) == ROLES[verb]
        for output in report["outputs"].values():
            summary = ArtifactSummary.model_validate(output)
            assert output == summarize(Path(output["path"])).model_dump(mode="json")
            assert summary.kind in get_args(ArtifactKind) and summary.status == "complete"
            assert (summary.rows is None) == (summary.kind in ("student", "discriminator"))
    again = call(workspace, "run", "--json").report
    assert list(again) == ["verb", "stages"] and list(again["stages"]) == list(VERBS)
    for verb in VERBS:
        stage = again["stages"][verb]
        assert (stage["status"], stage["outputs"]) == ("up-to-date", reports[verb]["outputs"])


def test_the_first_output_is_what_stdout_names(finished: Finished) -> None:
    for verb in VERBS:
        outcome = call(finished[0], verb)
        first = next(iter(finished[1][verb]["outputs"].values()))
        assert (outcome.code, outcome.stdout) == (0, first["path"] + "\n")


def test_every_artifact_is_sound_and_knows_where_it_came_from(finished: Finished) -> None:
    for report in finished[1].values():
        for output in report["outputs"].values():
            assert call(finished[0], "artifacts", "verify", output["path"]).code == 0
            assert read_manifest(Path(output["path"])).inputs
    tree = lineage(Path(finished[1]["eval"]["outputs"]["evaluation"]["path"]))
    student = next(child for child in tree.children if child.role == "student")
    assert {child.role for child in student.children} >= {"student", "data", "teacher-cache", "discriminator"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_dry_run_writes_nothing(finished: Finished, fresh: Path, verb: str) -> None:
    before = snapshot(finished[0])
    for more in ((), ("--out", "elsewhere")):
        outcome = call(finished[0], verb, "--dry-run", "--json", *more)
        assert outcome.code == 0, outcome.stderr
        assert outcome.report["verb"] == verb and outcome.report["plan"]["output"]["directory"]
        for section in outcome.report["plan"].values():
            assert section and isinstance(section, dict)
    assert snapshot(finished[0]) == before
    before = snapshot(fresh)
    outcome = call(fresh, verb, "--dry-run")
    assert outcome.code == 0, outcome.stderr
    assert ("not there yet" in outcome.stdout) == (verb not in ("cache-teacher", "sft"))
    assert snapshot(fresh) == before and not (fresh / "runs").exists()


def test_a_dry_run_refuses_a_named_input_that_is_not_there(fresh: Path) -> None:
    call(fresh, "train", "--dry-run", "--set", "train.teacher_cache=nowhere").refused(5, "it doesn't exist", "makes a")
    call(fresh, "judge", "nowhere", "--dry-run").refused(5, "it doesn't exist")


def test_a_plan_of_several_processes_is_refused_where_the_run_would_be(fresh: Path) -> None:
    for options in (("--gpus", "2"), ("--gpus", "2", "--dry-run")):
        call(fresh, "sft", *options).refused(2, "`sft.engine.type` is `torch`", "--set sft.engine.type=deepspeed")
    assert call(fresh, "sft", "--gpus", "2", "--dry-run", "--set", "sft.engine.type=deepspeed").code == 0


def test_a_dry_run_of_all_verbs_writes_nothing(fresh: Path) -> None:
    before = snapshot(fresh)
    outcome = call(fresh, "run", "--dry-run", "--json")
    assert outcome.code == 0, outcome.stderr
    assert [plan["verb"] for plan in outcome.report["plans"]] == list(VERBS)
    assert snapshot(fresh) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_dry_run_downloads_no_model(done: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise AssertionError("downloads")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    names = (f"{table}.student=qwen3b" for table in ("sft", "pretrain-disc", "train", "eval"))
    overrides = [word for name in (*names, "teachers.qwen.model=qwen72b") for word in ("--set", name)]
    outcome = call(done, verb, "--dry-run", *overrides)
    assert outcome.code == 0, outcome.stderr
    assert "qwen" in outcome.stdout or verb == "judge"
