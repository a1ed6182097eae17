"""`sft` counts rows: a question may have many."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_rejected
from rilctl.errors import DataError
from rilctl.reporting.metrics import read_metrics
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

LONG = "a teacher who says rather more than a student can learn of it " * 3
SETS = ("sft.responses=teacher-cache", "sft.max_response_tokens=40", "sft.rows_per_step=1", "sft.validate_every=100")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write_workspace(tmp_path, num_questions=8)
    return tmp_path


def cache_answers(workspace: Path, texts: dict[str, tuple[str, ...]]) -> None:
    """Each teacher's answers to every question."""
    ids = [json.loads(line)["id"] for line in (workspace / "questions.jsonl").read_text().splitlines()]
    rows = [
        json.dumps({"teacher": teacher, "sample_id": sample_id, "text": text})
        for sample_id in ids
        for teacher, answers in texts.items()
        for text in answers
    ]
    (workspace / "answers.jsonl").write_text("\n".join(rows))
    imports = f"cache-teacher.imports=['{workspace / 'answers.jsonl'}']"
    run_stage(workspace, "cache-teacher", imports, "cache-teacher.num_responses=2")


def test_a_question_with_one_bad_answer_of_four_is_learned(workspace: Path, tmp_path: Path) -> None:
    cache_answers(workspace, {"qwen": ("4", LONG), "internvl": ("5", "6")})
    result = run_stage(workspace, "sft", *SETS, "sft.num_steps=24", out=tmp_path / "out")
    rejected = list(read_rejected(tmp_path / "out"))
    assert 0 < result.num_rejected == len(rejected)
    assert {(row.source, row.reason) for row in rejected} == {("qwen", "response-too-long")}
    assert all(row.message.startswith("response 1: ") for row in rejected)
    learned = [row["sft/num_tokens"] > 0 for row in read_metrics(tmp_path / "out/metrics.jsonl")]
    assert len(learned) == 24 and learned.count(False) == len(rejected)


def test_two_bad_answers_to_one_question_are_two_rejected_rows(workspace: Path, tmp_path: Path) -> None:
    cache_answers(workspace, {"qwen": (LONG, LONG), "internvl": ("5", "6")})
    run_stage(workspace, "sft", *SETS[:2], "sft.rows_per_step=4", "sft.num_steps=7", out=tmp_path / "out")
    rejected = list(read_rejected(tmp_path / "out"))
    assert len(rejected) == 2 * len({row.sample_id for row in rejected}) == 14


def test_no_good_row_at_all_ends_it(workspace: Path, tmp_path: Path) -> None:
    cache_answers(workspace, {"qwen": (LONG, LONG), "internvl": (LONG, LONG)})
    with pytest.raises(DataError, match="every row was rejected"):
        run_stage(workspace, "sft", *SETS, "sft.num_steps=100", out=tmp_path / "out")
