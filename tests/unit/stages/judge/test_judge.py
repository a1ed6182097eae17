import io
import json
import sys
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.artifacts.runs import open_run
from rilctl.config.recipe import Recipe
from rilctl.errors import ArtifactError, DataError, InterruptedByUser, UsageError
from rilctl.planning.plan import plan_object
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import RejectedRecord, ResponseRecord, VerdictRecord, response_digest
from rilctl.stages.judge import run as judge
from rilctl.stages.judge.plan import plan
from rilctl.stages.shared.context import StageContext, StopFlag


def context(folder: Path, source: str | None = None, *, tolerance: float = 0.0, out: str = "verdicts") -> StageContext:
    table = {"type": "rule", "source": source, "numeric_tolerance": tolerance}
    return StageContext(
        recipe=Recipe.model_validate_json(json.dumps({"judge": table})),
        recipe_name="demo",
        base_dir=folder,
        out=folder / out,
        reporter=SilentReporter(),
        resume_command="rilctl judge",
    )


def response(sample_id: str, answer: str, text: str, source: str = "teacher", index: int = 0) -> ResponseRecord:
    return ResponseRecord(
        sample_id=sample_id,
        source=source,
        side="teacher",
        response_index=index,
        question="how many?",
        answer=answer,
        image_digests=[],
        text=text,
        finish_reason="imported",
    )


def write(
    path: Path, rows: list[ResponseRecord], kind: ArtifactKind = "teacher-cache", role: str | None = None
) -> Path:
    roles = {role or kind: kind}
    with open_run(path, verb="cache-teacher", config={}, semantic={}, inputs=[], roles=roles) as run:
        writer = run.writer(kind, role=role)
        writer.write_rows(rows)
        writer.commit()
    return path


ROWS = [
    response("a", "5", "answer 5"),
    response("a", "5", "answer 6", index=1),
    response("b", "cat", "a cat", "other"),
    response("c", "", "anything", "other"),
]


def stdin(monkeypatch: pytest.MonkeyPatch, *lines: object) -> None:
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


def test_a_teacher_cache_is_judged_row_by_row(tmp_path: Path) -> None:
    write(tmp_path / "cache", ROWS)
    result = judge.run(context(tmp_path, "cache"))
    rows = list(read_rows(tmp_path / "verdicts", VerdictRecord))
    assert [(row.sample_id, row.source, row.response_index, row.correct) for row in rows] == [
        ("a", "teacher", 0, True),
        ("a", "teacher", 1, False),
        ("b", "other", 0, True),
        ("c", "other", 0, None),
    ]
    assert rows[1].prediction == "6"
    assert rows[0].response_digest == response_digest("how many?", "5", "answer 5")
    assert result.num_rejected == 0
    metrics = read_manifest(tmp_path / "verdicts").metrics
    accuracies = {"accuracy": 2 / 3, "accuracy/other": 1.0, "accuracy/teacher": 0.5}
    assert metrics == {**accuracies, "num_no_truth": 1.0, "num_no_verdict": 0.0}


def test_the_second_run_finds_nothing_to_do(tmp_path: Path) -> None:
    write(tmp_path / "cache", ROWS)
    first = judge.run(context(tmp_path, "cache"))
    (tmp_path / "cache").rename(tmp_path / "moved")
    second = judge.run(context(tmp_path, "moved"))
    assert second.up_to_date and not first.up_to_date
    assert second.outputs == first.outputs


def test_other_rules_need_another_directory(tmp_path: Path) -> None:
    write(tmp_path / "cache", ROWS)
    judge.run(context(tmp_path, "cache"))
    with pytest.raises(UsageError, match="numeric_tolerance"):
        judge.run(context(tmp_path, "cache", tolerance=0.1))


def test_the_recipes_own_teacher_cache_is_the_default(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "demo" / "cache-teacher", ROWS)
    assert judge.run(context(tmp_path)).outputs["verdicts"].rows == 4


def test_responses_inside_a_run_directory_are_found(tmp_path: Path) -> None:
    write(tmp_path / "run", ROWS, "responses", role="responses")
    assert judge.run(context(tmp_path, "run")).outputs["verdicts"].rows == 4


def test_a_missing_source_and_one_of_another_kind_are_artifact_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cache-teacher"):
        judge.run(context(tmp_path))
    with pytest.raises(ArtifactError, match="doesn't exist"):
        judge.run(context(tmp_path, "nowhere"))
    write(tmp_path / "cache", ROWS)
    judge.run(context(tmp_path, "cache"))
    with pytest.raises(ArtifactError, match="verdicts"):
        judge.run(context(tmp_path, "verdicts", out="again"))


def test_json_lines_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(
        monkeypatch,
        {"question": "how many?", "answer": "5", "text": "answer 5", "sample_id": "x", "source": "me"},
        "",
        {"question": "how many?", "answer": 5, "response": "6", "response_index": 3},
        {"question": "which?", "answer": [["red", "blue"]], "text": "blue, red"},
        {"question": "which?", "answer": ["red", "blue"], "text": "blue"},
        {"question": "is it?", "answer": False, "text": "no"},
    )
    result = judge.run(context(tmp_path, "-"))
    rows = list(read_rows(tmp_path / "verdicts", VerdictRecord))
    assert [(r.sample_id, r.source, r.response_index, r.correct) for r in rows] == [
        ("x", "me", 0, True),
        ("row 3", "stdin", 3, False),
        ("row 4", "stdin", 0, True),
        ("row 5", "stdin", 0, True),
        ("row 6", "stdin", 0, True),
    ]
    assert result.num_rejected == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "json-invalid"),
        ("[1, 2]", "json-invalid"),
        ('{"answer": "1", "text": "1", "text": "2"}', "json-invalid"),
        ("[" * 100_000, "json-invalid"),
        ('{"answer": "5"}', "field-missing"),
        ('{"text": "5"}', "field-missing"),
        ('{"answer": null, "text": "5"}', "field-missing"),
        ('{"answer": "5", "text": 5}', "field-missing"),
        ('{"answer": "5", "text": "5", "question": 1}', "field-invalid"),
        ('{"answer": "5", "text": "5", "response_index": true}', "field-invalid"),
        ('{"answer": "5", "text": "5", "response_index": -1}', "field-invalid"),
        ('{"answer": "5", "text": "\\ud800"}', "text-invalid"),
    ],
)
def test_a_bad_line_is_rejected_and_the_others_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    stdin(monkeypatch, {"answer": "5", "text": "5"}, line, {"answer": "5", "text": "6"})
    result = judge.run(context(tmp_path, "-"))
    assert (result.num_rejected, result.outputs["verdicts"].rows) == (1, 2)
    rejected = RejectedRecord.model_validate_json((tmp_path / "verdicts" / "rejected.jsonl").read_text())
    assert (rejected.sample_id, rejected.source, rejected.reason) == ("row 2", "stdin", reason)


def test_an_empty_stdin_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, "", "  ")
    with pytest.raises(DataError, match="nothing came on stdin"):
        judge.run(context(tmp_path, "-"))


def test_an_interrupted_run_leaves_a_partial_artifact_and_is_done_by_the_next(tmp_path: Path) -> None:
    write(tmp_path / "cache", ROWS * 100)
    stopped = context(tmp_path, "cache")
    with pytest.raises(InterruptedByUser):
        judge.run(StageContext(**{**vars(stopped), "stop": StopFlag(2)}))
    assert read_manifest(tmp_path / "verdicts").status == "partial"
    assert judge.run(stopped).outputs["verdicts"].rows == 400


def test_a_plan_reads_no_stdin_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "cache", ROWS)
    assert plan_object(plan(context(tmp_path, "cache")))["plan"]["work"]["responses"] == 4
    assert "stdin" in plan_object(plan(context(tmp_path, "-")))["plan"]["work"]["source"]
    assert not (tmp_path / "verdicts").exists()
