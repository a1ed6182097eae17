"""`eval` of a model behind HTTP."""

from pathlib import Path

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.schemas.records import EvaluationRecord, ResponseRecord
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure

from .helpers import Outcome, call

LIMIT = 10


def run(workspace: Path, url: str, *arguments: str) -> Outcome:
    options = ("--limit", str(LIMIT), "--set", f"eval.endpoint.url={url}", "--set", "eval.endpoint.max_retries=0")
    return call(workspace, "eval", "closed-1", "--suite", "digits", *options, "--out", "measured", *arguments)


def test_a_model_at_an_endpoint_is_measured_and_asked_once(tmp_path: Path) -> None:
    with ScriptedEndpoint(lambda asked: "i see 4 + 4 = 8. answer 8") as endpoint:
        outcome = run(tmp_path, endpoint.url, "--json")
        assert outcome.code == 0, outcome.stderr
        assert all(asked.body["model"] == "closed-1" and len(asked.image_urls) == 1 for asked in endpoint.calls)
        num_asked = len(endpoint.calls)
        records = list(read_rows(tmp_path / "measured/evaluation", EvaluationRecord))
        assert len(records) == num_asked and {record.score for record in records} <= {0.0, 1.0}
        assert all(record.score == (record.answer == "8") for record in records)
        assert all(row.token_ids is None for row in read_rows(tmp_path / "measured/responses", ResponseRecord))
        assert run(tmp_path, endpoint.url).code == 0 and len(endpoint.calls) == num_asked
    entry = next(entry for entry in read_manifest(tmp_path / "measured/evaluation").inputs if entry.role == "student")
    assert entry.name == f"closed-1 at {endpoint.url}"


def test_a_question_without_an_answer_has_no_score(tmp_path: Path) -> None:
    def script(asked: Call) -> str | Wire:
        return failure(400, "refused") if asked.number == 3 else "answer 8"

    with ScriptedEndpoint(script) as endpoint:
        outcome = run(tmp_path, endpoint.url)
        num_asked = len(endpoint.calls)
    assert outcome.code == 3
    assert read_manifest(tmp_path / "measured/evaluation").num_rows == num_asked - 1


def test_an_endpoint_needs_the_models_name(tmp_path: Path) -> None:
    outcome = call(tmp_path, "eval", "--set", "eval.endpoint.url=http://localhost/v1")
    outcome.refused(2, "its name there")
