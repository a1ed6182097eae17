"""The LLM judge behind a real local server: in `judge` and in `train`."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.judging.rule import judge_answer
from rilctl.engines.ports import hold_port
from rilctl.models.discriminator import Discriminator
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.registry import find_metric
from rilctl.schemas.records import RolloutRecord, VerdictRecord
from rilctl.stages.train.verdicts import JudgeAsker
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion, failure
from rilctl.testing.judges import Decision, careful, read_prompt, reply_to

from .helpers import call
from .test_interrupts import signal_after

NUM_CANARIES = num_canaries(LlmJudgeConfig(type="llm", model="judge"))
"""Of each check of an honest judge."""
ANY_JUDGE = {"max_false_positives": 1.0, "max_false_negatives": 1.0, "max_no_verdicts": 1.0}
"""Limits that let a judge pass that is not one."""
ROWS = [
    {"sample_id": f"q{n}", "question": f"what is {n} plus 1?", "answer": str(n + 1), "text": f"it is {n + 1 + n % 2}"}
    for n in range(20)
]


def script(decide: Decision) -> Any:
    return lambda asked: reply_to(asked.text, decide)


def recipe(folder: Path, url: str, **fields: Any) -> None:
    table = {"type": "llm", "model": "judge-1"} | fields
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    text = f'[judge]\n{chr(10).join(lines)}\nendpoint = {{ url = "{url}", max_retries = 1, timeout_s = 5.0 }}\n'
    (folder / "judge.toml").write_text(text)


def judge(folder: Path, *arguments: str, rows: list[dict[str, Any]] = ROWS) -> Any:
    content = "\n".join(map(json.dumps, rows)).encode()
    return call(folder, "judge", "-", "judge.toml", "--out", "judged", *arguments, stdin=content)


@pytest.mark.parametrize("form", ["tag", "json"])
def test_responses_are_judged_with_canaries_and_nothing_is_asked_twice(tmp_path: Path, form: str) -> None:
    with ScriptedEndpoint(script(careful)) as endpoint:
        recipe(tmp_path, endpoint.url, verdict_form=form)
        prices = (f"--set=judge.endpoint.{name}_price=1.0" for name in ("input", "output"))
        outcome = judge(tmp_path, "--json", *prices)
        assert outcome.code == 0, outcome.stderr
        found = list(read_rows(tmp_path / "judged", VerdictRecord))
        assert [row.correct for row in found] == [n % 2 == 0 for n in range(20)]
        assert {("response_format" in asked.body) for asked in endpoint.calls} == {form == "json"}
        assert len(endpoint.calls) == 2 * NUM_CANARIES + 20
        metrics = read_manifest(tmp_path / "judged").metrics
        assert metrics["canary/false_positive_rate"] == 0 and metrics["canary/num"] == NUM_CANARIES
        assert (metrics["input_tokens"], metrics["canary/input_tokens"]) == (200, 10 * NUM_CANARIES)
        assert metrics["cost"] == pytest.approx((200 + metrics["output_tokens"]) / 1e6)
        assert judge(tmp_path).code == 0 and len(endpoint.calls) == 2 * NUM_CANARIES + 20
        shutil.rmtree(tmp_path / "judged")
        assert judge(tmp_path).code == 0 and len(endpoint.calls) == 3 * NUM_CANARIES + 20
    entry = next(entry for entry in read_manifest(tmp_path / "judged").inputs if entry.role == "judge")
    assert entry.name.startswith("judge-1 at http://127.0.0.1")


def test_a_judge_that_can_be_fooled_ends_the_run_before_it_writes_a_verdict(tmp_path: Path) -> None:
    with ScriptedEndpoint(script(lambda case: True)) as endpoint:
        recipe(tmp_path, endpoint.url)
        judge(tmp_path).refused(1, "wrong canaries right", "max_false_positives")
    assert not (tmp_path / "judged/manifest.json").exists()


def flaky(decide: Decision) -> Any:
    """A server that fails three calls of ten, in every way that a server can: which, a case and its turn decide."""
    turns, lock = Counter[JudgeRequest](), threading.Lock()
    faults = [failure(500), failure(429), Wire(b"<html>"), completion(None), completion("1"), Wire(b'{"choices": []}')]
    faults.append(Wire(completion("1").content, missing_bytes=50))

    def answer(asked: Call) -> str | Wire:
        case = read_prompt(asked.text)
        with lock:
            turns[case] += 1
            dice = random.Random(f"{case} {turns[case]}")
        return dice.choice(faults) if dice.random() < 0.3 else reply_to(asked.text, decide)

    return answer


def test_a_server_that_fails_a_third_of_all_calls_gives_no_wrong_verdict_and_loses_no_row(tmp_path: Path) -> None:
    with ScriptedEndpoint(flaky(careful)) as endpoint:
        recipe(tmp_path, endpoint.url)
        outcome = judge(tmp_path, rows=ROWS * 3)
    found = list(read_rows(tmp_path / "judged", VerdictRecord))
    num_missing = sum(row.correct is None for row in found)
    assert outcome.code == (3 if num_missing > 3 else 0), outcome.stderr
    assert len(found) == 60
    right = {row["sample_id"]: int(str(row["sample_id"])[1:]) % 2 == 0 for row in ROWS}
    assert all(row.correct in (None, right[row.sample_id]) for row in found)
    assert sum(row.correct is None for row in found) < 20
    assert all(row.reason for row in found if row.correct is None)


def test_a_judge_that_turned_bad_was_killed_and_healed_leaves_no_verdict_that_counts(tmp_path: Path) -> None:
    """A check after 64 rows is clean; then it says the opposite, and the run is killed before the next one."""
    rows = [row | {"sample_id": f"r{n}", "text": f"{row['text']}{' ' * (n // 20)}"} for n, row in enumerate(ROWS * 6)]
    num_good, options = 2 * NUM_CANARIES + 64, ("judge.canaries_every=64", "judge.endpoint.max_concurrency=8")

    killed = threading.Event()

    def turns(asked: Call) -> str:
        if asked.number >= num_good + 24:
            killed.wait(200)
        return str(turned_bad(num_good)(asked))

    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sets = [word for option in options for word in ("--set", option)]
    with ScriptedEndpoint(turns) as endpoint:
        recipe(tmp_path, endpoint.url)
        sets += ["--set", "judge.endpoint.timeout_s=300"]
        command = [sys.executable, "-m", "rilctl", "judge", "-", "judge.toml", "--out", "judged", *sets]
        with (tmp_path / "rows.jsonl").open("rb") as content:
            process = subprocess.Popen(command, cwd=tmp_path, stdin=content, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(endpoint.calls) < num_good + 32 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.wait(60)
        killed.set()
        num_before, endpoint.script = len(endpoint.calls), script(careful)
        assert num_before == num_good + 32  # in each of eight places one is under way
        assert judge(tmp_path, *sets, rows=rows).code == 0
        num_again = len(endpoint.calls) - num_before - 2 * NUM_CANARIES
    assert [row.correct for row in read_rows(tmp_path / "judged", VerdictRecord)] == [n % 2 == 0 for n in range(120)]
    assert num_again == 120 - 64  # nothing that the clean check had covered, and everything else


def test_a_judge_that_does_not_come_and_a_missing_key_end_it(tmp_path: Path) -> None:
    recipe(tmp_path, f"http://127.0.0.1:{hold_port()}/v1")
    judge(tmp_path, "--set", "judge.endpoint.start_timeout_s=0.5").refused(1, "the endpoint is down")
    text = (tmp_path / "judge.toml").read_text()
    (tmp_path / "judge.toml").write_text(text.replace("max_retries", 'key_env = "NOT_SET", max_retries'))
    judge(tmp_path).refused(4, "NOT_SET")


def waiting_judge(folder: Path) -> "subprocess.Popen[str]":
    """`rilctl judge -` while nobody answers, when it has said so."""
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    command = [sys.executable, "-m", "rilctl", "judge", "-", "judge.toml", "--out", "judged"]
    with (folder / "rows.jsonl").open("rb") as rows:
        process = subprocess.Popen(
            command, cwd=folder, stdin=rows, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
    assert process.stderr is not None
    assert any("waiting for the judge at" in line for line in process.stderr)  # ends where the process does
    return process


def test_the_judge_may_be_started_after_the_verb(tmp_path: Path) -> None:
    port = hold_port()
    recipe(tmp_path, f"http://127.0.0.1:{port}/v1")
    process = waiting_judge(tmp_path)
    with ScriptedEndpoint(script(careful), port=port):
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 0 and "is up after" in said
    found = list(read_rows(tmp_path / "judged", VerdictRecord))
    assert [row.correct for row in found] == [n % 2 == 0 for n in range(20)]


def test_ctrl_c_ends_the_wait_for_a_judge(tmp_path: Path) -> None:
    recipe(tmp_path, f"http://127.0.0.1:{hold_port()}/v1")
    process = waiting_judge(tmp_path)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "resume with `rilctl judge - judge.toml --out judged`" in said


def test_canaries_are_seen_and_may_be_stopped(tmp_path: Path) -> None:
    """A model that is slow takes minutes for them."""

    def interrupted(asked: Call) -> str:
        if asked.number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2 if asked.number > 3 else 0.0)  # else all are asked before the signal is looked at
        return reply_to(asked.text, careful)

    with ScriptedEndpoint(interrupted) as endpoint:
        recipe(tmp_path, endpoint.url)
        outcome = judge(tmp_path, "--set", "judge.endpoint.max_concurrency=1")
        assert outcome.code == 143, outcome.stderr
        assert 3 < len(endpoint.calls) < NUM_CANARIES / 2
        assert f"canaries: {NUM_CANARIES} canaries" in outcome.stderr
        endpoint.script = script(careful)
        assert f"canaries: {NUM_CANARIES}/{NUM_CANARIES} canaries" in judge(tmp_path).stderr


def test_the_pictures_come_from_the_data_set(fresh: Path) -> None:
    with ScriptedEndpoint(script(careful)) as endpoint:
        recipe(fresh, endpoint.url, sees_images=True)
        answers = [{"teacher": "qwen", "sample_id": f"q{n}", "text": str(n + 1)} for n in range(12)]
        (fresh / "answers.jsonl").write_text("\n".join(map(json.dumps, answers)))
        call(
            fresh, "cache-teacher", "recipe.toml", "--teachers", "qwen", "--import", "answers.jsonl",
            "--num-responses", "1", "--out", "cached",
        )  # fmt: skip
        outcome = call(fresh, "judge", "cached", "recipe.toml", "judge.toml", "--out", "judged")
        assert outcome.code == 0, outcome.stderr
        shown = [len(asked.image_urls) for asked in endpoint.calls]
    assert shown.count(1) > (read_manifest(fresh / "judged").num_rows or 0) + NUM_CANARIES  # canaries have theirs


def train(workspace: Path, *arguments: str) -> Any:
    options = ("--algorithm", "dr_grpo", "--set", "train.num_steps=2", "--set", "train.checkpoint_every=1")
    return call(workspace, "train", "recipe.toml", "judge.toml", "--out", "trained", *options, *arguments)


def by_number(case: JudgeRequest) -> bool | None:
    """No judge, but its verdicts differ on anything that a student says."""
    return len(case.response) % 2 == 0


def test_training_takes_its_rewards_from_the_judge(done: Path) -> None:
    with ScriptedEndpoint(script(by_number)) as endpoint:
        recipe(done, endpoint.url, **ANY_JUDGE)
        outcome = train(done)
        assert outcome.code == 0, outcome.stderr
    rows = list(read_rows(done / "trained/rollouts", RolloutRecord))
    assert rows and all(row.answer_reward == float(len(row.text) % 2 == 0) for row in rows)
    metrics = read_manifest(done / "trained/student").metrics
    assert metrics["judge/canary/num"] > 0
    assert [name for name in metrics if find_metric(name) is None] == []


def test_training_with_a_server_that_fails_a_third_of_all_calls_takes_no_failure_for_a_wrong_answer(done: Path) -> None:
    options = ("num_steps=2", "questions_per_step=4", "sampling.max_new_tokens=32", "max_missing_verdicts=0.9")
    with ScriptedEndpoint(flaky(by_number)) as endpoint:
        recipe(done, endpoint.url, num_retries=0, **ANY_JUDGE)
        sets = (part for option in options for part in ("--set", f"train.{option}"))
        outcome = call(done, "train", "recipe.toml", "judge.toml", "--out", "trained", *sets)
    assert outcome.code == 0, outcome.stderr
    rows = list(read_rows(done / "trained/rollouts", RolloutRecord))
    assert len({(row.step, row.sample_id, row.response_index) for row in rows}) == len(rows) == 2 * 4 * 4
    assert all(row.answer_reward in (None, float(len(row.text) % 2 == 0)) for row in rows)
    missing = [row for row in rows if row.answer_reward is None]
    assert 0 < len(missing) < 16
    assert all(row.reward is None and row.advantage == 0 and row.disc_logit is not None for row in missing)
    shares = [
        share * 8  # of either side in a step
        for line in read_metrics(done / "trained/metrics.jsonl")
        for name, share in line.items()
        if name.startswith("judge/missing_share_")
    ]
    assert sum(shares) == len(missing)


def test_training_with_a_judge_that_can_be_fooled_fails(done: Path) -> None:
    with ScriptedEndpoint(script(lambda case: True)) as endpoint:
        recipe(done, endpoint.url)
        train(done).refused(1, "wrong canaries right")


def test_a_step_without_verdicts_stops_the_run_or_waits_for_them(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JudgeAsker, "pause_s", 0.1)
    num_canaries_first = num_canaries(LlmJudgeConfig(type="llm", model="judge", **ANY_JUDGE))
    num_refused = num_before = 0

    def sulks(asked: Call) -> str | Wire:
        nonlocal num_refused
        if asked.number < num_before + num_canaries_first or num_refused >= 12:
            return reply_to(asked.text, by_number)
        num_refused += 1
        return failure(400, "not now")

    no_validation = ("--set", "data.validation.share=0.0")
    with ScriptedEndpoint(sulks) as endpoint:
        recipe(done, endpoint.url, **ANY_JUDGE)
        train(done, *no_validation).refused(1, "no verdict on 100% of a step's rows", "max_missing_verdicts")
        num_before = len(endpoint.calls)
        outcome = train(done, *no_validation, "--set", "train.missing_verdicts=wait")
    assert outcome.code == 0, outcome.stderr
    rows = list(read_rows(done / "trained/rollouts", RolloutRecord))
    assert all(row.answer_reward is not None for row in rows)


def test_a_discriminator_that_fails_doesn_t_wait_for_a_judge_that_hangs(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, is_asked = threading.Event(), threading.Event()
    failed_at: list[float] = []

    def silent(asked: Call) -> str:
        is_asked.set()
        hangs.wait(250)
        return "too late"

    def fails(*_: object) -> Any:
        assert is_asked.wait(60)
        failed_at.append(time.monotonic())
        raise RuntimeError("the discriminator's own words")

    monkeypatch.setattr(Discriminator, "forward", fails)
    options = ("train.missing_verdicts=wait", "train.verdict_wait_s=200", "data.validation.share=0.0")
    with ScriptedEndpoint(silent) as endpoint:
        recipe(done, endpoint.url)
        sets = (part for option in options for part in ("--set", option))
        outcome = call(done, "train", "recipe.toml", "judge.toml", "--out", "trained", *sets)
        took_s = time.monotonic() - failed_at[0]
        hangs.set()
    assert outcome.code == 1 and "the discriminator's own words" in outcome.stderr
    assert took_s < 60


def test_a_rule_judge_has_no_canaries(tmp_path: Path) -> None:
    (tmp_path / "judge.toml").write_text("[judge]\n")
    assert judge(tmp_path).code == 0
    assert not any("canary" in name for name in read_manifest(tmp_path / "judged").metrics)
    assert judge_answer("5", "it is 5").correct


def test_a_run_that_was_stopped_counts_what_the_judge_said_before(done: Path) -> None:
    sets = ("train.num_steps=4", "train.checkpoint_every=2", "train.validate_every=2", "train.algorithm.name=dr_grpo")
    options = [word for each in sets for word in ("--set", each)]
    with ScriptedEndpoint(script(careful)) as endpoint:
        recipe(done, endpoint.url)
        whole = call(done, "train", "recipe.toml", "judge.toml", "--out", "whole", *options)
        assert whole.code == 0, whole.stderr
        with signal_after(3, signal.SIGTERM):
            assert call(done, "train", "recipe.toml", "judge.toml", "--out", "stopped", *options).code == 143
        again = call(done, "train", "recipe.toml", "judge.toml", "--out", "stopped", *options)
        assert again.code == 0 and "resuming at step 3" in again.stderr
    assert (done / "stopped/metrics.jsonl").read_text() == (done / "whole/metrics.jsonl").read_text()
    last = read_metrics(done / "whole/metrics.jsonl")[-1]
    assert last["judge/input_tokens"] > 0


def turned_bad(num_good: int) -> Any:
    """A judge that is honest for so many calls, and then says the opposite."""

    def answer(asked: Call) -> str:
        flipped = asked.number >= num_good
        return reply_to(asked.text, lambda case: careful(case) is not flipped)

    return answer


@pytest.mark.parametrize(("every", "num_good"), [(2000, NUM_CANARIES), (64, 2 * NUM_CANARIES + 90)])
def test_a_judge_that_turned_bad_leaves_no_verdict_that_counts(tmp_path: Path, every: int, num_good: int) -> None:
    """Within the first rows, of which there are too few for a check in between; and after such a check."""
    rows = ROWS * 6
    rows = [row | {"sample_id": f"r{n}", "text": f"{row['text']}{' ' * (n // 20)}"} for n, row in enumerate(rows)]
    options = ("--set", f"judge.canaries_every={every}", "--set", "judge.endpoint.max_concurrency=8")
    with ScriptedEndpoint(turned_bad(num_good)) as endpoint:
        recipe(tmp_path, endpoint.url)
        judge(tmp_path, *options, rows=rows).refused(1, "the judge calls ", "can't be trusted")
        assert not (tmp_path / "judged/manifest.json").exists()
        num_before, endpoint.script = len(endpoint.calls), script(careful)
        assert judge(tmp_path, *options, rows=rows).code == 0
        num_kept = len(rows) + 2 * NUM_CANARIES - (len(endpoint.calls) - num_before)
    assert [row.correct for row in read_rows(tmp_path / "judged", VerdictRecord)] == [n % 2 == 0 for n in range(120)]
    assert num_kept == (64 if every < 2000 else 0)  # what a clean check had covered, and nothing else


def test_training_goes_on_from_the_last_clean_check_of_a_judge_that_turned_bad(done: Path) -> None:
    sets = (
        "train.num_steps=4",
        "train.checkpoint_every=2",
        "data.validation.share=0.0",
        "train.algorithm.name=dr_grpo",
    )
    options = [word for each in sets for word in ("--set", each)]
    with ScriptedEndpoint(script(careful)) as endpoint:
        recipe(done, endpoint.url)
        whole = call(done, "train", "recipe.toml", "judge.toml", "--out", "whole", *options)
        assert whole.code == 0, whole.stderr
        num_calls = len(endpoint.calls)
    shutil.rmtree(done / "runs/.cache")
    with ScriptedEndpoint(turned_bad(num_calls - NUM_CANARIES - 1)) as endpoint:  # in the last step, before its check
        recipe(done, endpoint.url)
        broken = ("--out", "broken", *options)
        call(done, "train", "recipe.toml", "judge.toml", *broken).refused(1, "the judge calls ")
        endpoint.script = script(careful)
        again = call(done, "train", "recipe.toml", "judge.toml", *broken)
        assert again.code == 0 and "resuming at step 2" in again.stderr, again.stderr
    shutil.rmtree(done / "runs/.cache")
    of_the_check = num_calls - NUM_CANARIES

    def turns_and_stalls(asked: Call) -> Wire:
        """Its last six verdicts are bad, and the check that would show it is never answered."""
        reply = completion(turned_bad(of_the_check - 6)(asked))
        return Wire(reply.content, delay_s=0.0 if asked.number < of_the_check else 20.0)

    with ScriptedEndpoint(turns_and_stalls) as endpoint:
        recipe(done, endpoint.url)
        command = [sys.executable, "-m", "rilctl", "train", "recipe.toml", "judge.toml", "--out", "killed", *options]
        process = subprocess.Popen(command, cwd=done, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while len(endpoint.calls) <= of_the_check and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL and len(endpoint.calls) > of_the_check
        endpoint.script = script(careful)
        again = call(done, "train", "recipe.toml", "judge.toml", "--out", "killed", *options)
        assert again.code == 0 and "resuming at step 2" in again.stderr, again.stderr
    for name in ("broken", "killed"):
        assert (done / name / "metrics.jsonl").read_text() == (done / "whole/metrics.jsonl").read_text()
        rows = [list(read_rows(done / out / "rollouts", RolloutRecord)) for out in ("whole", name)]
        assert rows[0] == rows[1]


def test_too_many_missing_verdicts_are_exit_code_3_and_are_asked_for_again(tmp_path: Path) -> None:
    def refuses(asked: Call) -> str:
        response = read_prompt(asked.text).response
        return "I'd rather not." if response.endswith(("3", "7", "9")) else reply_to(asked.text, careful)

    with ScriptedEndpoint(refuses) as endpoint:
        recipe(tmp_path, endpoint.url, num_retries=0, max_no_verdicts=1.0)
        outcome = judge(tmp_path)
        missing = [row.correct is None for row in read_rows(tmp_path / "judged", VerdictRecord)]
        assert sum(missing) > 1 and outcome.code == 3
        assert "`judge.max_rejected_share` is 5.0%" in outcome.stderr and "--retry-rejected" in outcome.stderr
        endpoint.script = script(careful)
        assert judge(tmp_path, "--retry-rejected").code == 0
    assert [row.correct for row in read_rows(tmp_path / "judged", VerdictRecord)] == [n % 2 == 0 for n in range(20)]
