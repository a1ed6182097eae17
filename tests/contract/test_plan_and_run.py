"""What a plan counts is what the run then does: calls, tokens and rows, at real local servers."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.judging.prompt import CASE, RUBRIC, judge_prompt
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import ResponseRecord, RolloutRecord
from rilctl.testing.endpoint import Call, ScriptedEndpoint
from rilctl.testing.judges import careful, code_in, reply_to

from .helpers import Outcome, call

BUDGET = 8
"""`cache-teacher.sampling.max_new_tokens` of the workspace's recipe; it has two responses to each question."""
OUT = Path("runs/recipe/cache-teacher")


def say_seed(asked: Call) -> str:
    return f"seed {asked.body['seed']}"


def ask(workspace: Path, url: str, *words: str) -> Outcome:
    sets = ["teachers.gpt.model=closed-1", f"teachers.gpt.endpoint.url={url}", "cache-teacher.check_sight=false"]
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


def judge_by(url: str, **fields: object) -> list[str]:
    table = {"type": "llm", "model": "judge-1", "endpoint.url": url, "canaries_every": 16} | fields
    table |= {f"endpoint.{side}_price": 1e6 for side in ("input", "output")}
    return [word for key, value in table.items() for word in ("--set", f"judge.{key}={value}")]


def test_what_a_judge_is_asked(done: Path) -> None:
    """Of rollouts, whose budget is not the teachers'. Canaries come at the start, every 16 and before the end."""
    cache = done / "runs/recipe/train/rollouts"
    with ScriptedEndpoint(lambda asked: reply_to(asked.text, careful)) as endpoint:
        words = (*judge_by(endpoint.url), "--set", "judge.endpoint.max_concurrency=1")
        plan = call(done, "judge", cache, *words, "--dry-run", "--json").report["plan"]["work"]
        outcome = call(done, "judge", cache, *words, "--out", "judged")
        assert outcome.code == 0, outcome.stderr
        asked = [call_.text for call_ in endpoint.calls]
    rows = list(read_rows(cache, RolloutRecord))
    assert plan["responses"] == len(rows) > 12
    different = len({(row.question, row.answer, row.text) for row in rows})
    of_a_check = num_canaries(LlmJudgeConfig(type="llm", model="judge-1"))
    more = len(asked) - different
    assert more % of_a_check == 0 and more >= 2 * of_a_check
    assert plan["judge_calls"] == (2 + len(rows) // 16) * of_a_check + len(rows) >= len(asked)

    tokenizer = AutoTokenizer.from_pretrained(done / "student")

    def num_tokens(texts: Iterable[str]) -> int:
        return sum(map(len, tokenizer(list(texts), add_special_tokens=False)["input_ids"]))

    canaries = num_tokens(asked[:of_a_check]) / of_a_check
    of_rows = [judge_prompt(RUBRIC, JudgeRequest(row.question, row.answer, row.text), as_json=False) for row in rows]
    assert set(of_rows) <= {prompt.replace(code_in(prompt), CASE) for prompt in asked}
    expected = num_tokens(of_rows) + (plan["judge_calls"] - len(rows)) * canaries
    assert plan["judge_input_tokens"] == pytest.approx(expected, rel=0.1)  # which canaries are drawn, nobody foresees
    assert plan["judge_cost"] == plan["judge_input_tokens"] + plan["judge_output_tokens"]


def test_a_judge_that_sees_pictures_can_t_judge_stdin(done: Path) -> None:
    words = (*judge_by("http://127.0.0.1:1/v1", sees_images="true"), "--set", "judge.source=-", "--out", "judged")
    for more in ((), ("--dry-run",)):
        call(done, "judge", *words, *more, stdin=b'{"answer": "1", "text": "1"}').refused(2, "stdin has no pictures")


def test_verdicts_on_validations_are_planned(done: Path) -> None:
    """`done` has three steps, two checkpoints and four held-out questions, of which three are asked twice."""
    words = (*judge_by("http://127.0.0.1:1/v1"), "--set", "train.num_validation_questions=3")
    plan = call(done, "train", *words, "--dry-run", "--json").report["plan"]
    rows = 3 * 2 * (2 + 2)
    validated = read_metrics(done / "runs/recipe/train/metrics.jsonl")
    assert sum("validation/accuracy" in row for row in validated) == 2
    assert plan["work"]["judge_calls"] == rows + 2 * 3 + (1 + 2 + (rows + 6) // 16) * num_canaries(
        LlmJudgeConfig(type="llm", model="judge-1")
    )
