"""Two ranks that wait for a judge: before it has ever answered, and when it has gone away. Ctrl-C ends both."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.ports import hold_port
from rilctl.testing.endpoint import ScriptedEndpoint, Wire, completion
from rilctl.testing.judges import careful, reply_to
from rilctl.testing.ranks import PATIENCE_S, QUIET
from rilctl.testing.workspaces import write_workspace

SETS = ("train.algorithm.name=dr_grpo", "train.student=student", "train.engine={ type = 'deepspeed', zero_stage = 3 }")

NUM_CANARIES = num_canaries(LlmJudgeConfig(type="llm", model="judge"))


def start(folder: Path, url: str) -> "subprocess.Popen[str]":
    write_workspace(folder)
    table = {"type": '"llm"', "model": '"m"', "endpoint": f"{{ url = {json.dumps(url)} }}"}
    lines = "\n".join(f"{key} = {value}" for key, value in table.items())
    (folder / "judge.toml").write_text(f"[judge]\n{lines}\n")
    sets = (part for key in SETS for part in ("--set", key))
    command = [sys.executable, "-m", "rilctl", "train", "recipe.toml", "judge.toml", "--gpus", "2", "--out", "out"]
    return subprocess.Popen(
        [*command, *sets], cwd=folder, env={**os.environ, **QUIET}, stderr=subprocess.PIPE, text=True
    )


def until_it_waits(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    assert any("waiting for the judge at" in line for line in process.stderr), "it ended before"


def ends_soon(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 130 and "resume with `rilctl train" in said, said


def test_ctrl_c_ends_the_wait_for_a_judge_that_never_came(tmp_path: Path) -> None:
    process = start(tmp_path, f"http://127.0.0.1:{hold_port()}/v1")
    until_it_waits(process)
    ends_soon(process)


@pytest.mark.timeout(PATIENCE_S)
def test_ctrl_c_ends_the_wait_for_a_judge_that_went_away(tmp_path: Path) -> None:
    def script(call) -> Wire:
        good = completion(reply_to(call.text, careful))
        return Wire(good.content, headers={"Connection": "close"}, delay_s=0.0 if call.number < NUM_CANARIES else 0.2)

    with ScriptedEndpoint(script) as judge:
        process = start(tmp_path, judge.url)
        while len(judge.calls) < NUM_CANARIES + 4:
            assert process.poll() is None
            time.sleep(0.02)
    until_it_waits(process)
    ends_soon(process)
