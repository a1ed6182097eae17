"""Ctrl-C and SIGTERM in the middle of every verb, for real: what is done stays, the same command goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rilctl.cli.output import ConsoleReporter
from rilctl.config.recipe import VERBS

from .helpers import call

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a machine that may have much else to do
Finished = tuple[Path, dict[str, dict[str, Any]]]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def digests(report: dict[str, Any]) -> dict[str, str]:
    return {role: output["content_digest"] for role, output in report["outputs"].items()}


@contextmanager
def signal_after(num_units: int, *numbers: signal.Signals) -> Iterator[None]:
    """This process gets the signals as soon as a verb has reported so many units of work."""
    left = num_units

    def advance(self: ConsoleReporter, num: int = 1, **metrics: Any) -> None:
        nonlocal left
        left -= num > 0
        if num and left == 0:
            for number in numbers:
                os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConsoleReporter, "advance", advance)
        yield


@pytest.mark.parametrize(
    ("verb", "number", "code"), [*((verb, signal.SIGINT, 130) for verb in VERBS), ("train", signal.SIGTERM, 143)]
)
def test_a_verb_stops_after_its_unit_and_goes_on_to_the_same_result(
    finished: Finished, done: Path, verb: str, number: signal.Signals, code: int
) -> None:
    out = done / "runs/recipe" / verb
    shutil.rmtree(out)
    if verb in ("cache-teacher", "pretrain-disc", "eval"):
        shutil.rmtree(done / "runs/.cache")
    with signal_after(2 if verb in ("sft", "pretrain-disc", "train") else 1, number):
        outcome = call(done, verb, "recipe.toml", "--json")
    outcome.refused(
        code, f"error: interrupted by {number.name}", f"hint: resume with `rilctl {verb} recipe.toml --json`"
    )
    assert f"{number.name}: ending at the next safe point; once more leaves at once" in outcome.stderr
    listed = json.loads(call(done, "artifacts", "ls", "runs", "--json").stdout)
    partial = [artifact["path"] for artifact in listed["artifacts"] if artifact["status"] == "partial"]
    assert partial + [directory["path"] for directory in listed["unfinished"]] == [f"runs/recipe/{verb}"]
    again = call(done, verb, "recipe.toml", "--json")
    assert again.code == 0, again.stderr
    assert (again.report["status"], digests(again.report)) == ("done", digests(finished[1][verb]))
    log = finished[0] / "runs/recipe" / verb / "metrics.jsonl"
    assert not log.exists() or (out / "metrics.jsonl").read_text() == log.read_text()
    assert call(done, verb, "recipe.toml", "--json").report["status"] == "up-to-date"


def test_a_partial_teacher_cache_is_no_input_yet(done: Path) -> None:
    shutil.rmtree(done / "runs/recipe/cache-teacher")
    shutil.rmtree(done / "runs/.cache")
    with signal_after(2, signal.SIGINT):
        assert call(done, "cache-teacher").code == 130
    call(done, "judge", "--out", "other").refused(5, "is partial", "run the same command again")
    assert call(done, "artifacts", "verify", "runs/recipe/cache-teacher").code == 0


def test_a_walk_stops_between_two_verbs_too(finished: Finished, done: Path) -> None:
    shutil.rmtree(done / "runs/recipe/judge")
    with signal_after(1, signal.SIGINT):
        outcome = call(done, "run", "--json")
    outcome.refused(130, "resume with `rilctl run --json`")
    again = call(done, "run", "--json")
    assert again.code == 0, again.stderr
    stages = again.report["stages"]
    assert {verb: stages[verb]["status"] for verb in VERBS} == {
        v: "done" if v == "judge" else "up-to-date" for v in VERBS
    }
    assert digests(stages["judge"]) == digests(finished[1]["judge"])


def rilctl(workspace: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rilctl", *arguments]
    return subprocess.Popen(command, cwd=workspace, env=ENVIRONMENT, stderr=subprocess.PIPE, **options)


def test_the_second_signal_leaves_at_once_and_nothing_is_lost(done: Path) -> None:
    """As a process of its own without a terminal, ended in the middle of a step."""
    longer = ("train", "--set", "train.num_steps=12", "--out")
    out = done / "interrupted"
    process = rilctl(
        done, *longer, "interrupted", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 400
    while not (out / "metrics.jsonl").exists() or b'"step": 1' not in (out / "metrics.jsonl").read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (143, b"")
    assert b"SIGTERM: ending at the next safe point" in stderr and b"Traceback" not in stderr and b"\x1b" not in stderr
    reports = [call(done, *longer, name, "--json").report for name in ("interrupted", "undisturbed")]
    assert digests(reports[0]) == digests(reports[1])


@pytest.mark.parametrize(
    ("to_all", "number", "code"),
    [
        (True, signal.SIGINT, 130),
        (True, signal.SIGTERM, 143),
        (False, signal.SIGKILL, -9),
    ],
)
def test_processes_that_read_ahead_end_with_the_verb(
    done: Path, to_all: bool, number: signal.Signals, code: int
) -> None:
    """A terminal sends Ctrl-C to all of them, a scheduler may send SIGTERM to all of them, a kill reaches the verb."""
    engine = ("--set", "train.engine.num_workers=2", "--set", "train.num_steps=1000", "--out", "interrupted")
    process = rilctl(
        done, "train", *engine, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    log = done / "interrupted/metrics.jsonl"
    deadline = time.monotonic() + 400
    while not log.exists() or b'"step": 1' not in log.read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    assert num_members(process.pid) >= 3
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"Traceback" not in stderr and b"Error" not in stderr
    while num_members(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def num_members(session: int) -> int:
    """Living processes of a session."""
    num = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, leader = stat.read_text().rpartition(")")[2].split()[:4]
            num += int(leader) == session and state != "Z"
    return num


def test_nobody_reads_the_result_of_a_real_verb(done: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = rilctl(done, "judge", stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"judge: up to date" in stderr and b"rror" not in stderr


@pytest.mark.parametrize("command", ["artifacts verify", "artifacts ls"])
def test_ctrl_c_where_no_stage_runs(finished: Finished, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rilctl.artifacts.verify.verify", interrupted)
    monkeypatch.setattr("rilctl.artifacts.listing.list_artifacts", interrupted)
    outcome = call(finished[0], *command.split(), "runs/recipe/sft")
    assert (outcome.code, outcome.stdout) == (130, "")
    assert "Traceback" not in outcome.stderr
