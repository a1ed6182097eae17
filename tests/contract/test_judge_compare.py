import json
import shutil
from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import ResponseRecord

from .helpers import call

ROLES: dict[str, ArtifactKind] = {"teacher-cache": "teacher-cache"}
PAIRS = [("5", "5"), ("5", "five"), ("5", "6"), ("50%", "0.5"), ("7", "7.1"), ("", "no truth")]


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Six responses, judged exactly and with a tolerance of 10 %."""
    with open_run(tmp_path / "cache", verb="cache-teacher", config={}, semantic={}, inputs=[], roles=ROLES) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(
            ResponseRecord(
                sample_id=f"q{index}",
                source="qwen",
                side="teacher",
                response_index=0,
                question=f"question {index}",
                answer=answer,
                image_digests=[],
                text=text,
                finish_reason="stop",
            )
            for index, (answer, text) in enumerate(PAIRS)
        )
        writer.commit()
    for name, tolerance in (("exact", "0.0"), ("loose", "0.1")):
        call(tmp_path, "judge", "cache", "--out", name, "--set", f"judge.numeric_tolerance={tolerance}")
    return tmp_path


def test_agreement_kappa_and_the_responses_to_read(judged: Path) -> None:
    outcome = call(judged, "judge", "--compare", "exact", "loose", "--json")
    assert outcome.code == 0, outcome.stderr
    report = outcome.report
    counts = {key: report[key] for key in report if key.startswith("num_")}
    assert counts == {
        "num_both_right": 3,
        "num_only_a": 0,
        "num_only_b": 1,
        "num_both_wrong": 1,
        "num_no_verdict_a": 1,
        "num_no_verdict_b": 1,
        "num_not_in_both": 0,
    }
    assert report["agreement"] == 0.8 and report["kappa"] == pytest.approx(0.545, abs=1e-3)
    (disagreement,) = report["disagreements"]
    assert (disagreement["question"], disagreement["answer"], disagreement["text"]) == ("question 4", "7", "7.1")
    assert (disagreement["a"]["correct"], disagreement["b"]["correct"]) == (False, True)
    text = call(judged, "judge", "--compare", "exact", "loose").stdout
    assert "Cohen's kappa  0.545" in text and "response  7.1" in text and "only B right   1" in text


def test_without_the_responses_the_verdicts_are_compared_alone(judged: Path) -> None:
    shutil.rmtree(judged / "cache")
    outcome = call(judged, "judge", "--compare", "exact", "loose", "--json")
    assert outcome.report["disagreements"][0]["text"] is None


def test_what_can_t_be_compared(judged: Path) -> None:
    call(judged, "judge", "--compare", "exact", "nowhere").refused(5, "nowhere")
    call(judged, "judge", "--compare", "exact", "cache").refused(5, "teacher-cache")
    call(judged, "judge", "cache", "--compare", "exact", "loose").refused(2, "nothing else")
    other = json.dumps({"answer": "1", "text": "1"}).encode()
    assert call(judged, "judge", "-", "--out", "other", stdin=other).code == 0
    call(judged, "judge", "--compare", "exact", "other").refused(5, "no response with a verdict of both")
