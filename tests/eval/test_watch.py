"""A judge at a real endpoint that can't be trusted: nothing of what it said counts, or stays in the call cache."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.check import num_canaries
from rilctl.errors import RilctlError
from rilctl.stages.eval import run as eval_stage
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion

from .judge_server import chat_server, judge_reply
from .test_known_scores import Mirror
from .test_verb import ENVIRONMENT, answers, context, scores

OF_A_CHECK = num_canaries(LlmJudgeConfig(type="llm", model="judge"))
NUM_ROWS = 4


def flipped(call: Call) -> str:
    return {"1.0": "0.0", "0.0": "1.0"}[judge_reply(call.text)]


def turning(num_good: int, bad: Callable[[Call], str]) -> Callable[[Call], str]:
    return lambda call: judge_reply(call.text) if call.number < num_good else bad(call)


def num_stored(root: Path) -> int:
    with contextlib.closing(sqlite3.connect(root / ".cache/calls.sqlite3")) as database:
        return int(database.execute("SELECT count(*) FROM calls").fetchone()[0])


@pytest.mark.parametrize(
    "bad",
    [
        flipped,
        lambda call: "1.0",
        lambda call: "I can't help with that.",
        turning(20, flipped),
        turning(20, lambda call: "0"),
    ],
    ids=["flips", "says right", "refuses", "flips in the middle", "says wrong in the middle"],
)
def test_an_evaluation_ends_and_an_honest_judge_is_asked_anew(
    mirror: Mirror, tmp_path: Path, bad: Callable[[Call], str]
) -> None:
    with chat_server(answers) as student, ScriptedEndpoint(bad) as judge:
        this = context(tmp_path, mirror, student.url, judge.url, tasks=["MM-Vet"])
        with pytest.raises(RilctlError, match="the judge (calls|gave no verdict)"):
            eval_stage.run(this)
        assert not list(this.out.rglob("manifest.json"))
        assert num_stored(this.root) == NUM_ROWS  # the student's answers alone
        num_before, judge.script = len(judge.calls), lambda call: judge_reply(call.text)
        result = eval_stage.run(this)
        assert len(judge.calls) - num_before == NUM_ROWS + OF_A_CHECK
    assert sum(scores(result.outputs["evaluation"]).values()) == 1.0
    metrics = read_manifest(Path(result.outputs["evaluation"].path)).metrics
    assert metrics["MM-Vet/canary/num"] == OF_A_CHECK and metrics["MM-Vet/canary/false_positive_rate"] == 0.0
    written = (Path(result.outputs["evaluation"].path) / "table.md").read_text()
    assert "judge: false +" in written and num_stored(this.root) == 2 * NUM_ROWS


def test_a_judge_that_was_bad_when_it_was_killed_and_healed_is_asked_anew(mirror: Mirror, tmp_path: Path) -> None:
    def stalls(call: Call) -> Wire:
        return Wire(completion(flipped(call)).content, delay_s=0.0 if call.number < 2 * NUM_ROWS else 60.0)

    with chat_server(answers) as student, ScriptedEndpoint(stalls) as judge:
        this = context(tmp_path, mirror, student.url, judge.url, tasks=["MM-Vet"])
        judged = [
            "judge.type=llm",
            "judge.model=judge",
            f"judge.endpoint.url={judge.url}",
            "judge.endpoint.max_concurrency=8",
        ]
        arguments = ["eval", "student", "--suite", "14bench", "--tasks", "MM-Vet", "--data-dir", str(mirror[0])]
        sets = [word for each in [f"eval.endpoint.url={student.url}", *judged] for word in ("--set", each)]
        command = [sys.executable, "-m", "rilctl", *arguments, *sets, "--out", "out"]
        process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        while len(judge.calls) <= 2 * NUM_ROWS:
            time.sleep(0.05)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        judge.script = lambda call: judge_reply(call.text)
        result = eval_stage.run(this)
    assert sum(scores(result.outputs["evaluation"]).values()) == 1.0
