"""What `sft` validates is what it learns; and whether the student's answers are right."""

import json
from pathlib import Path

import pytest

from rilctl.reporting.metrics import read_metrics
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    run_stage(directory, "cache-teacher")
    return directory


def validations(out: Path) -> list[dict]:
    names = ("validation/loss", "validation/accuracy", "validation/low", "validation/high")
    rows = [{name: row[name] for name in names if name in row} for row in read_metrics(out / "metrics.jsonl")]
    return [row for row in rows if row]


def test_the_datas_own_responses_have_a_loss_and_answers_an_accuracy(workspace, tmp_path):
    run_stage(workspace, "sft", out=tmp_path / "out")
    found = validations(tmp_path / "out")
    assert [len(row) for row in found] == [4, 4]
    assert all(row["validation/low"] <= row["validation/accuracy"] <= row["validation/high"] for row in found)


def test_teachers_answers_are_validated_on_teachers_answers_or_by_accuracy_alone(workspace, tmp_path):
    teachers = "sft.responses=teacher-cache"
    run_stage(workspace, "sft", teachers, out=tmp_path / "without")
    assert {"validation/loss" in row for row in validations(tmp_path / "without")} == {False}
    assert {"validation/accuracy" in row for row in validations(tmp_path / "without")} == {True}
    run_stage(workspace, "sft", teachers, "sft.num_validation_questions=0", out=tmp_path / "neither")
    assert validations(tmp_path / "neither") == []

    run_stage(workspace, "cache-teacher", "data.validation.share=0", out=tmp_path / "cached")  # all questions
    cache = f"sft.teacher_cache={json.dumps(str(tmp_path / 'cached'))}"
    run_stage(workspace, "sft", teachers, cache, out=tmp_path / "with")
    assert {"validation/loss" in row for row in validations(tmp_path / "with")} == {True}
