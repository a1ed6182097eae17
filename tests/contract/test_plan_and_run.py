"""What a plan counts is what the run then does: calls, tokens and rows, at a real local server."""

import json
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.endpoint import Call, ScriptedEndpoint

from .helpers import Outcome, call

BUDGET = 8
"""`cache-teacher.sampling.max_new_tokens` of the workspace's recipe; it has two responses to each question."""
OUT = Path("runs/recipe/cache-teacher")


def say_seed(asked: Call) -> str:
    return f"seed {asked.body['seed']}"


def ask(workspace: Path, url: str, *words: str) -> Outcome:
    sets = ["teachers.gpt.model=closed-1", f"teachers.gpt.endpoint.url={url}"]
    sets += [f"teachers.gpt.endpoint.{side}_price=1e6" for side in ("input", "output")]
    options = [word for each in sets for word in ("--set", each)]
    return call(workspace, "cache-teacher", "recipe.toml", "--teachers", "gpt", *options, *words)


def planned(workspace: Path, url: str, *words: str) -> dict[str, Any]:
    outcome = ask(workspace, url, *words, "--dry-run", "--json")
    assert outcome.code == 0, outcome.stderr
    plan: dict[str, Any] = outcome.report["plan"]
    return plan


@pytest.fixture
def imported(fresh: Path) -> Path:
    """An answer to every question, and two more to one, of which one is of use."""
    (fresh / "answers.jsonl").write_text(
        "".join(
            json.dumps({"teacher": "gpt", "sample_id": sample_id, "text": "known"}) + "\n"
            for sample_id in (*(f"q{number}" for number in range(12)), "q1", "q1")
        )
    )
    return fresh


@pytest.mark.parametrize("words", [(), ("--import", "answers.jsonl")], ids=["all", "imported"])
def test_what_teachers_are_asked(imported: Path, words: tuple[str, ...]) -> None:
    with ScriptedEndpoint(say_seed) as endpoint:
        plan = planned(imported, endpoint.url, *words)
        assert not endpoint.calls
        outcome = ask(imported, endpoint.url, *words, "--json")
        assert outcome.code == 0, outcome.stderr
        teacher, num_calls = plan["teacher_gpt"], len(endpoint.calls)
    num_rows = 2 * plan["data"]["questions"]
    assert read_manifest(imported / OUT).num_rows == num_rows
    num_used = sum(row.finish_reason == "imported" for row in read_rows(imported / OUT, ResponseRecord))
    assert num_used == (plan["data"]["questions"] + 1 if words else 0)
    assert teacher["calls"] == num_calls == num_rows - num_used
    assert teacher["response_tokens"] == num_calls * BUDGET
    assert teacher["cost"] == teacher["input_tokens"] + teacher["response_tokens"]
    questions_asked = planned(imported, "http://127.0.0.1:1/v1")["data"]["prompt_tokens"] * 2
    assert (teacher["input_tokens"] < questions_asked) == bool(words)
    assert words or teacher["input_tokens"] == questions_asked


def test_what_batch_files_hold_and_what_is_asked_once_they_are_read(fresh: Path) -> None:
    with ScriptedEndpoint(say_seed) as endpoint:
        plan = planned(fresh, endpoint.url, "--write-batch", "batch")
        (file,) = ask(fresh, endpoint.url, "--write-batch", "batch").stdout.split()
        lines = [json.loads(line) for line in Path(file).read_text().splitlines()]
        assert plan["teacher_gpt"]["calls"] == len(lines) > 0
        assert plan["output"] == {"directory": str(Path(file).parent)} and "time" not in plan

        body = {"choices": [{"message": {"content": "7"}, "finish_reason": "stop"}]}
        results = [{"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}} for line in lines]
        (fresh / "results.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
        plan = planned(fresh, endpoint.url, "--read-batch", "results.jsonl")
        assert ask(fresh, endpoint.url, "--read-batch", "results.jsonl").code == 0
        assert plan["teacher_gpt"]["calls"] == len(endpoint.calls) == plan["teacher_gpt"]["cost"] == 0


def test_a_plan_refuses_what_the_run_refuses(fresh: Path) -> None:
    (fresh / "answers.jsonl").write_text('{"teacher": "other", "sample_id": "q1", "text": "known"}\n')
    for more in ((), ("--dry-run",)):
        call(fresh, "cache-teacher", "--import", "answers.jsonl", *more).refused(5, "teacher `other` is not asked")
        call(fresh, "cache-teacher", "--write-batch", "batch", *more).refused(2, "no teacher answers at an endpoint")


def test_no_more_rows_are_decoded_at_once_than_there_are(fresh: Path) -> None:
    peaks = [
        call(fresh, "cache-teacher", "--dry-run", "--json", "--set", f"cache-teacher.engine.rows_per_batch={rows}")
        .report["plan"]["peak_memory"]["peak_bytes"]
        for rows in (2, 18, 18_000)
    ]  # fmt: skip
    assert peaks[0] < peaks[1] == peaks[2]
