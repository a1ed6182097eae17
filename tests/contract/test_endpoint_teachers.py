"""`cache-teacher` with teachers behind HTTP, against a real local server."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.read import read_manifest, read_rejected, read_rows
from rilctl.engines.ports import hold_port
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.endpoint import Call, Script, ScriptedEndpoint, Wire, completion, failure

from .helpers import call

KEY = "sk-test-0123456789abcdef"
OUT = Path("runs/recipe/cache-teacher")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve questions with a picture each."""
    monkeypatch.setenv("TEACHER_KEY", KEY)
    lines = []
    for index in range(12):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"{index}.png")
        row = {"id": f"q{index}", "question": f"what is {index} plus 1?", "answer": f"{index + 1}"}
        lines.append(json.dumps(row | {"image": f"{index}.png"}))
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    return tmp_path


def recipe(folder: Path, url: str, **endpoint: Any) -> None:
    fields = {"url": url, "key_env": "TEACHER_KEY", "max_retries": 1, "timeout_s": 5.0} | endpoint
    table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    (folder / "recipe.toml").write_text(f"""\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = {{ images = "image" }}

[teachers.gpt]
model = "closed-1"
endpoint = {{ {table} }}

[cache-teacher]
num_responses = 2
check_sight = false
sampling = {{ max_new_tokens = 32 }}
""")


def sums(asked: Call) -> str:
    return f"{int(asked.text.split()[2]) + 1} (seed {asked.body['seed']})"


def rows(workspace: Path) -> list[ResponseRecord]:
    return list(read_rows(workspace / OUT, ResponseRecord))


def no_key_anywhere(workspace: Path, outcome: Any) -> None:
    assert KEY not in outcome.stdout + outcome.stderr
    for file in workspace.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_a_closed_model_is_a_teacher_and_nothing_is_asked_twice(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url, input_price=2.0, output_price=8.0)
        outcome = call(workspace, "cache-teacher", "recipe.toml", "--json")
        assert outcome.code == 0, outcome.stderr
        found = rows(workspace)
        assert [row.text.split()[0] for row in found] == [row.answer for row in found] and len(found) == 24
        assert {(row.token_ids is None, row.finish_reason, row.source) for row in found} == {(True, "stop", "gpt")}
        assert len({(asked.text, asked.body["seed"]) for asked in endpoint.calls}) == 24
        output_tokens = sum(len(row.text) for row in found)
        metrics = read_manifest(workspace / OUT).metrics
        assert metrics["input_tokens/gpt"] == 240 and metrics["output_tokens/gpt"] == output_tokens
        assert metrics["cost/gpt"] == pytest.approx((240 * 2 + output_tokens * 8) / 1e6)
        assert "24 calls, 24 answers" in outcome.stderr and outcome.report["summary"]["cost/gpt"] == metrics["cost/gpt"]
        no_key_anywhere(workspace, outcome)

        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
        more = call(workspace, "cache-teacher", "recipe.toml", "--num-responses", "3", "--out", "more")
        assert more.code == 0 and len(endpoint.calls) == 36


def test_the_request_says_everything_and_shows_the_picture(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url, omit=["top_p"], **{"extra_body.reasoning_effort": "low"})
        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
    shown = next(asked for asked in endpoint.calls if asked.text == "what is 3 plus 1?")
    assert {key: value for key, value in shown.body.items() if key not in ("messages", "seed")} == {
        "model": "closed-1",
        "max_tokens": 32,
        "temperature": 1.0,
        "reasoning_effort": "low",
    }
    ((head, _, data),) = [url.partition(",") for url in shown.image_urls]
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").getpixel((0, 0)) == (3, 0, 0)


@pytest.mark.parametrize("named", [{"key_env": "NOT_SET"}, {"key_env": None, "key_file": "nowhere.key"}])
def test_a_missing_key_ends_it_before_anything_is_asked(workspace: Path, named: dict[str, Any]) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        fields = {key: value for key, value in named.items() if value is not None}
        recipe(workspace, endpoint.url, **fields)
        if "key_file" in named:
            text = (workspace / "recipe.toml").read_text()
            (workspace / "recipe.toml").write_text(text.replace('key_env = "TEACHER_KEY", ', ""))
        outcome = call(workspace, "cache-teacher", "recipe.toml")
    outcome.refused(4, next(iter(fields.values())))
    assert not endpoint.calls


@pytest.mark.parametrize(
    ("url", "fields", "key"),
    [
        (f"http://user:{KEY}@localhost/v1", {}, "url"),
        ("http://localhost/v1", {"key_env": KEY}, "key_env"),
        ("http://localhost/v1", {"key_env": KEY.replace("-", "_")}, "key_env"),
    ],
)
def test_a_key_in_the_recipe_is_refused_and_not_repeated(
    workspace: Path, url: str, fields: dict[str, Any], key: str
) -> None:
    recipe(workspace, url, **fields)
    outcome = call(workspace, "cache-teacher", "recipe.toml")
    outcome.refused(2, f"teachers.gpt.endpoint.{key}", "never written here")
    assert KEY[-12:] not in outcome.stderr
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize(
    ("after", "code"), [(failure(401, f"bad key {KEY}"), 4), (failure(402), 1)], ids=["refused key", "used up"]
)
def test_what_was_answered_before_the_end_is_kept(workspace: Path, after: Wire, code: int) -> None:
    def script(asked: Call) -> str | Wire:
        return sums(asked) if asked.number < 9 else after

    with ScriptedEndpoint(script) as endpoint:
        recipe(workspace, endpoint.url, max_concurrency=1)
        outcome = call(workspace, "cache-teacher", "recipe.toml")
        outcome.refused(code, f"127.0.0.1:{endpoint.port}")
        no_key_anywhere(workspace, outcome)
        endpoint.script = sums
        num_before = len(endpoint.calls)
        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
        assert len(endpoint.calls) - num_before == 24 - 9
    assert len(rows(workspace)) == 24


def test_an_endpoint_that_is_not_there_is_waited_for_and_named_at_once(workspace: Path) -> None:
    url = f"http://127.0.0.1:{hold_port()}/v1"
    recipe(workspace, url, start_timeout_s=0.5)
    outcome = call(workspace, "cache-teacher", "recipe.toml")
    outcome.refused(1, "the endpoint is down", "no connection")
    assert f"waiting for the teacher `gpt` at {url} (connection refused), up to 0.5 s; Ctrl-C stops" in outcome.stderr


def test_a_plan_waits_for_nobody(workspace: Path) -> None:
    recipe(workspace, f"http://127.0.0.1:{hold_port()}/v1")
    outcome = call(workspace, "cache-teacher", "recipe.toml", "--dry-run")
    assert outcome.code == 0 and "waiting" not in outcome.stderr


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (completion(None), "reply-no-content"),
        (completion(" "), "reply-no-content"),
        (failure(403, "flagged by moderation"), "content-filter"),
        (completion("half", finish_reason="content_filter"), "content-filter"),
        (Wire(b'{"choices": []}'), "reply-no-choices"),
        (Wire(b"<html>busy</html>"), "reply-not-json"),
        (Wire(completion("x").content[:30], missing_bytes=99), "reply-truncated"),
        (failure(400, "too long"), "request-refused"),
    ],
)
def test_a_question_without_an_answer_is_recorded_with_its_reason_and_the_others_go_on(
    workspace: Path, wire: Wire, reason: str
) -> None:
    script: Script = lambda asked: wire if "is 4 plus" in asked.text else sums(asked)  # noqa: E731
    with ScriptedEndpoint(script) as endpoint:
        recipe(workspace, endpoint.url)
        outcome = call(workspace, "cache-teacher", "recipe.toml")
    assert outcome.code == 3
    (rejected,) = read_rejected(workspace / OUT)
    assert (rejected.sample_id, rejected.source, rejected.reason) == ("q4", "gpt", reason)
    assert len(rows(workspace)) == 22


def test_an_empty_answer_is_not_kept_and_is_asked_again(workspace: Path) -> None:
    with ScriptedEndpoint(lambda asked: "" if "is 4 plus" in asked.text else sums(asked)) as endpoint:
        recipe(workspace, endpoint.url)
        assert call(workspace, "cache-teacher", "recipe.toml").code == 3
        assert len(endpoint.calls) == 24 and len(rows(workspace)) == 22
        endpoint.script = sums
        assert call(workspace, "cache-teacher", "recipe.toml", "--retry-rejected").code == 0
        assert len(endpoint.calls) == 26 and len(rows(workspace)) == 24


def test_what_an_earlier_version_kept_as_an_empty_answer_is_asked_again(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url)
        files = call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch").stdout.split()
        keys = [json.loads(line)["custom_id"] for line in Path(files[0]).read_text().splitlines()]
        empty = {"text": " ", "token_ids": None, "finish_reason": "stop", "sampling_logprobs": None}
        with CallCache(workspace / "runs") as cache:
            cache.put_many(dict.fromkeys(keys[:5], empty) | {key: empty | {"text": "kept"} for key in keys[5:10]})
        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
        assert len(endpoint.calls) == 24 - 5
        assert call(workspace, "cache-teacher", "recipe.toml", "--out", "again").code == 0
        assert len(endpoint.calls) == 24 - 5
    assert sorted(row.text == "kept" for row in rows(workspace)) == [False] * 19 + [True] * 5


def test_counts_and_dates_that_make_no_sense_spoil_nothing(workspace: Path) -> None:
    def script(asked: Call) -> Wire:
        if asked.number < 2:
            return failure(429, Retry_After="Wed, 21 Oct 99999 07:28:00 GMT")
        usage = (
            b'"usage": {"prompt_tokens": 1' + b"0" * (400 if asked.number % 2 else 5000) + b', "completion_tokens": 1}'
        )
        return Wire(completion(sums(asked), usage=False).content[:-1] + b", " + usage + b"}")

    with ScriptedEndpoint(script) as endpoint:
        recipe(workspace, endpoint.url, input_price=2.0, output_price=8.0)
        outcome = call(workspace, "cache-teacher", "recipe.toml")
        assert outcome.code == 0, outcome.stderr
        assert "24 replies came without a count" in outcome.stderr
        num_asked = len(endpoint.calls)
        assert call(workspace, "cache-teacher", "recipe.toml", "--out", "again").code == 0
        assert len(endpoint.calls) == num_asked
    assert call(workspace, "artifacts", "verify", OUT).code == 0


@pytest.mark.parametrize("said", [KEY, KEY.upper(), KEY[:16], base64.b64encode(KEY.encode()).decode()])
def test_a_key_that_an_answer_quotes_is_on_no_disk(workspace: Path, said: str) -> None:
    with ScriptedEndpoint(lambda asked: f"{sums(asked)}: {said}") as endpoint:
        recipe(workspace, endpoint.url)
        outcome = call(workspace, "cache-teacher", "recipe.toml")
        assert outcome.code == 0, outcome.stderr
    assert all(row.text.endswith(": [key]") for row in rows(workspace))
    for file in (workspace / "runs").rglob("*"):
        assert not file.is_file() or said.encode() not in file.read_bytes(), file


def test_a_key_would_reach_a_proxy_in_clear(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    recipe(workspace, "http://models.test/v1")
    outcome = call(workspace, "cache-teacher", "recipe.toml")
    outcome.refused(2, "the proxy proxy.test:3128 of `http_proxy` would see the key of models.test", "endpoint.proxy")
    assert "waiting" not in outcome.stderr


def test_after_an_outage_one_flag_asks_what_was_rejected_again(workspace: Path) -> None:
    down = lambda asked: failure(400) if asked.text < "what is 2" else sums(asked)  # noqa: E731
    with ScriptedEndpoint(down) as endpoint:
        recipe(workspace, endpoint.url)
        again = "`rilctl cache-teacher` asks them again with `--retry-rejected`"
        assert again in call(workspace, "cache-teacher", "recipe.toml").stderr
        assert len(rows(workspace)) == 16
        endpoint.script = sums
        outcome = call(workspace, "cache-teacher", "recipe.toml")
        assert "up to date" in outcome.stderr and again in outcome.stderr
        judged = call(workspace, "judge", "recipe.toml")
        judged.refused(5, "4 of 12 questions have a rejected row", "cache-teacher.max_rejected_share")

        num_before = len(endpoint.calls)
        again = call(workspace, "cache-teacher", "recipe.toml", "--retry-rejected")
        assert again.code == 0, again.stderr
        assert len(endpoint.calls) - num_before == 8
        assert len(rows(workspace)) == 24 and not read_rejected(workspace / OUT)
        assert "up to date" in call(workspace, "cache-teacher", "recipe.toml", "--retry-rejected").stderr
    assert call(workspace, "artifacts", "verify", OUT).code == 0


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_an_answer_that_came_is_paid_for_once_even_if_the_run_is_killed(workspace: Path, signal_number: int) -> None:
    def slow(asked: Call) -> Wire:
        return Wire(completion(sums(asked)).content, delay_s=0.1 if asked.number < 8 else 2.0)

    with ScriptedEndpoint(slow) as endpoint:
        recipe(workspace, endpoint.url, max_concurrency=2)
        command = [sys.executable, "-m", "rilctl", "cache-teacher", "recipe.toml"]
        process = subprocess.Popen(
            command, cwd=workspace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}
        )
        deadline = time.monotonic() + 120
        while len(endpoint.calls) < 8 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal_number)
        code = process.wait(120)
        endpoint.script = sums
        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
        num_again = len(endpoint.calls) - 24
    assert code == (-9 if signal_number == signal.SIGKILL else 143)
    assert num_again <= (2 if signal_number == signal.SIGKILL else 0)  # one of each place
    assert len(rows(workspace)) == 24


def test_a_server_that_dies_and_comes_back(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        port = endpoint.port
        recipe(workspace, endpoint.url, max_concurrency=2)
        endpoint.script = lambda asked: sums(asked) if asked.number < 10 else failure(503)
        call(workspace, "cache-teacher", "recipe.toml", "--set", "teachers.gpt.endpoint.max_failures_in_row=2").refused(
            1, "2 questions in a row have no answer"
        )
    call(workspace, "cache-teacher", "recipe.toml", "--set", "teachers.gpt.endpoint.start_timeout_s=0.5").refused(
        1, "the endpoint is down"
    )
    with ScriptedEndpoint(sums, port=port) as again:
        assert call(workspace, "cache-teacher", "recipe.toml").code == 0
        assert len(again.calls) == 14
    assert [row.text.split()[0] for row in rows(workspace)] == [row.answer for row in rows(workspace)]


def batch_results(files: list[str], folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a provider makes of batch files: answers in any order, and failures in a file of their own."""
    lines = [json.loads(line) for name in files for line in (folder / name).read_text().splitlines()]
    answers, failures = [], []
    for line in reversed(lines):
        asked = Call(0, line["url"], {}, line["body"])
        if "is 4 plus" in asked.text:
            body = {"error": {"message": "filtered"}}
            failures.append({"custom_id": line["custom_id"], "response": {"status_code": 400, "body": body}})
        else:
            body = said(sums(asked))
            answers.append(
                {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}
            )
    return answers, failures


def said(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(completion(text).content)
    return body


def test_an_empty_answer_in_a_batch_is_none(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url)
        files = call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch").stdout.split()
        answers, failures = batch_results(files, workspace)
        thought = said("")
        thought["choices"][0]["message"]["reasoning_content"] = "so it is"
        answers[0]["response"]["body"], answers[1]["response"]["body"] = said(" "), thought
        answers[2]["response"]["body"] = said(f"the key is {KEY}")
        write_lines(workspace / "answers.jsonl", answers + failures)
        outcome = call(workspace, "cache-teacher", "recipe.toml", "--read-batch", "answers.jsonl")
        assert outcome.code == 3, outcome.stderr
        reasons = {row.sample_id: row.reason for row in read_rejected(workspace / OUT)}
        assert sorted(reasons.values()) == ["batch-failed", "reply-no-content"]
        assert "the key is [key]" in {row.text for row in rows(workspace)}
        assert call(workspace, "cache-teacher", "recipe.toml", "--retry-rejected").code == 0
        assert len(endpoint.calls) == 4


def write_lines(path: Path, results: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(result) + "\n" for result in results))


def test_batches_are_written_and_their_results_become_the_cache(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url)
        monkeypatch.delenv("TEACHER_KEY")  # writing and reading batches needs no key
        outcome = call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch", "--json")
        assert outcome.code == 0, outcome.stderr
        files = outcome.report["files"]
        assert [Path(file).name for file in files] == ["gpt-00001.jsonl"] and outcome.report["outputs"] == {}
        lines = [json.loads(line) for line in Path(files[0]).read_text().splitlines()]
        assert len(lines) == len({line["custom_id"] for line in lines}) == 24
        assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
        assert not (workspace / OUT).exists()

        answers, failures = batch_results(files, workspace)
        write_lines(workspace / "part.jsonl", answers[:15])
        part = call(workspace, "cache-teacher", "recipe.toml", "--read-batch", "part.jsonl")
        part.refused(1, "in no batch file that was read", "what was read is kept")

        rest = call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "rest")
        assert len((workspace / "rest/gpt-00001.jsonl").read_text().splitlines()) == 24 - 15
        assert rest.stdout.strip().endswith("gpt-00001.jsonl")

        empty = [answer | {"response": {"status_code": 200, "body": said("")}} for answer in answers]
        write_lines(workspace / "answers.jsonl", [empty[0], answers[0], *answers[2:], answers[1], empty[1]])
        write_lines(workspace / "errors.jsonl", failures)
        done = call(
            workspace, "cache-teacher", "recipe.toml", "--read-batch", "errors.jsonl", "--read-batch", "answers.jsonl"
        )
        assert done.code == 3, done.stderr
        assert not endpoint.calls
    (rejected,) = read_rejected(workspace / OUT)
    assert (rejected.sample_id, rejected.reason, rejected.message) == (
        "q4",
        "batch-failed",
        "the batch has no answer: filtered",
    )
    assert [row.text.split()[0] for row in rows(workspace)] == [row.answer for row in rows(workspace)]


def test_a_changed_recipe_takes_no_result_of_another_question(workspace: Path) -> None:
    recipe(workspace, "http://127.0.0.1:1/v1")
    files = call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch").stdout.split()
    write_lines(workspace / "answers.jsonl", batch_results(files, workspace)[0])
    other = call(
        workspace, "cache-teacher", "recipe.toml", "--read-batch", "answers.jsonl",
        "--set", "cache-teacher.sampling.temperature=0.5",
    )  # fmt: skip
    other.refused(1, "12 questions have answers that are in no batch file", "the recipe was changed")


def test_batches_are_not_mixed_with_older_ones_and_need_an_endpoint(workspace: Path) -> None:
    recipe(workspace, "http://127.0.0.1:1/v1")
    assert call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch").code == 0
    call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch").refused(2, "is there already")
    text = (workspace / "recipe.toml").read_text()
    (workspace / "recipe.toml").write_text(text.replace("endpoint = {", "#"))
    call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "other", "--teachers", "qwen72b").refused(
        2, "no teacher answers at an endpoint"
    )
    for more in ((), ("--dry-run",)):
        call(workspace, "cache-teacher", "recipe.toml", "--read-batch", "x", "--teachers", "qwen72b", *more).refused(
            2, "no teacher answers at an endpoint"
        )


def test_results_that_are_not_there_are_missed_where_all_is_done_as_well(workspace: Path) -> None:
    with ScriptedEndpoint(sums) as endpoint:
        recipe(workspace, endpoint.url)
        command = ("cache-teacher", "recipe.toml")
        for rerun in (False, True):
            for more in ((), ("--dry-run",)):
                call(workspace, *command, "--read-batch", "nope.jsonl", *more).refused(
                    5, f"{workspace / 'nope.jsonl'} can't be read"
                )
            assert (workspace / OUT).exists() is rerun
            assert call(workspace, *command).code == 0


@pytest.mark.parametrize("line", ["no json", "[]", '{"custom_id": 5, "response": {}}', '{"custom_id": "x"}'])
def test_a_file_that_is_no_result_is_a_data_error(workspace: Path, line: str) -> None:
    recipe(workspace, "http://127.0.0.1:1/v1")
    (workspace / "answers.jsonl").write_text(f"\n{line}\n")
    call(workspace, "cache-teacher", "recipe.toml", "--read-batch", "answers.jsonl").refused(5, "answers.jsonl:2")


def test_large_batches_are_cut_at_the_providers_limits(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rilctl.stages.cache_teacher.batch_files.MAX_REQUESTS", 10)
    recipe(workspace, "http://127.0.0.1:1/v1")
    call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "batch")
    sizes = [len(file.read_text().splitlines()) for file in sorted((workspace / "batch").iterdir())]
    assert sizes == [10, 10, 4]
    monkeypatch.setattr("rilctl.stages.cache_teacher.batch_files.MAX_BYTES", 1000)
    call(workspace, "cache-teacher", "recipe.toml", "--write-batch", "small")
    small = list((workspace / "small").iterdir())
    assert sum(len(file.read_text().splitlines()) for file in small) == 24
    assert len(small) > 3 and max(file.stat().st_size for file in small) <= 1000
