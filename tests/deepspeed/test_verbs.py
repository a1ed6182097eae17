"""The command line on two processes: kill and resume, Ctrl-C, bad rows."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from rilctl.artifacts.read import read_rejected, read_rows
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.check import num_canaries
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.endpoint import Call, ScriptedEndpoint
from rilctl.testing.judges import careful, read_prompt, reply_to
from rilctl.testing.ranks import PATIENCE_S, QUIET
from rilctl.testing.workspaces import write_workspace

NUM_STEPS = 6
BAD = (2, 5, 7, 11)
"""Questions whose picture is damaged."""
TEXT_ONLY = (1, 4, 8, 9)
LLAVA = 'type = "llava"\npath = "questions.json"'


def command(verb: str, stage: int, *arguments: str) -> list[str]:
    engine = f"{verb}.engine={{ type = 'deepspeed', zero_stage = {stage} }}"
    return [sys.executable, "-m", "rilctl", verb, "--gpus", "2", "--set", engine, *arguments]


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = {**os.environ, **QUIET}
    return subprocess.Popen(arguments, cwd=workspace, stdout=pipe, stderr=pipe, text=True, env=environment)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return process.returncode, stdout, stderr


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some questions have no picture; the teachers have answered; the discriminator starts untrained."""
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    rows = [json.loads(line) for line in (directory / "questions.jsonl").read_text().splitlines()]
    (directory / "questions.json").write_text(json.dumps([conversation(*pair) for pair in enumerate(rows)]))
    recipe = (directory / "recipe.toml").read_text()
    recipe = recipe.replace('type = "jsonl"\npath = "questions.jsonl"\ncolumns = { images = "image" }', LLAVA)
    before, _, rest = recipe.partition("[pretrain-disc]")
    (directory / "recipe.toml").write_text(before + "[train]" + rest.partition("[train]")[2])
    done = subprocess.run(
        [sys.executable, "-m", "rilctl", "cache-teacher"], cwd=directory, env={**os.environ, **QUIET}, check=False
    )
    assert done.returncode == 0
    return directory


def conversation(index: int, row: dict[str, str]) -> dict[str, Any]:
    """A row as LLaVA has it, where some have no picture."""
    picture = {} if index in TEXT_ONLY else {"image": row["image"]}
    mark = "<image>\n" if picture else ""
    turns = [{"from": "human", "value": mark + row["question"]}, {"from": "gpt", "value": row["answer"]}]
    return {"id": row["id"], **picture, "conversations": turns}


def train(stage: int, out: Path) -> list[str]:
    return command("train", stage, "--set", "train.student=student", "--out", str(out))


@pytest.fixture(scope="session")
def whole(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Runs that nothing interrupted, by stage."""

    @functools.cache
    def run(stage: int) -> Path:
        out = tmp_path_factory.mktemp("whole") / "train"
        code, stdout, stderr = finish(start(workspace, *train(stage, out)))
        assert code == 0, stderr
        assert stdout == f"{out / 'student'}\n"
        return out

    return run


@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    workspace: Path, tmp_path: Path, whole: Callable[[int], Path], stage: int
) -> None:
    out = tmp_path / "killed"
    killed = start(workspace, *train(stage, out))
    wait_for(out / "resume" / "step-00000002", killed)
    for process in [*psutil.Process(killed.pid).children(recursive=True), psutil.Process(killed.pid)]:
        process.kill()
    finish(killed)
    assert not (out / "student").exists()
    code, stdout, stderr = finish(start(workspace, *train(stage, out)))
    assert code == 0, stderr
    assert "resuming at step" in stderr and stdout == f"{out / 'student'}\n"
    assert read_metrics(out / "metrics.jsonl") == read_metrics(whole(stage) / "metrics.jsonl")
    for role in ("student", "best-student", "discriminator", "rollouts"):
        manifests = [json.loads((run / role / "manifest.json").read_text()) for run in (out, whole(stage))]
        assert manifests[0]["content_digest"] == manifests[1]["content_digest"], role
    places = [(row.step, row.sample_id, row.response_index) for row in read_rows(out / "rollouts", RolloutRecord)]
    assert len(places) == len(set(places)) == NUM_STEPS * 3 * 4


def test_two_processes_learn_what_one_learns(workspace: Path, tmp_path: Path, whole: Callable[[int], Path]) -> None:
    short = ["--set", "train.num_steps=2", "--set", "train.student=student", "--out", str(tmp_path)]
    code, _, stderr = finish(start(workspace, sys.executable, "-m", "rilctl", "train", *short))
    assert code == 0, stderr
    torch_alone = read_metrics(tmp_path / "metrics.jsonl")
    together = read_metrics(whole(3) / "metrics.jsonl")[:2]  # later, random weights make every rounding count
    for own, expected in zip(together, torch_alone, strict=False):
        own = {name: value for name, value in own.items() if name in expected}
        assert own == pytest.approx({name: expected[name] for name in own}, rel=1e-3, abs=1e-5)


def test_ranks_share_the_judge(workspace: Path, tmp_path: Path, whole: Callable[[int], Path]) -> None:
    cases: list[JudgeRequest] = []

    def script(call: Call) -> str:
        cases.append(read_prompt(call.text))
        return reply_to(call.text, careful)

    own, out = tmp_path / "workspace", tmp_path / "train"
    shutil.copytree(workspace, own)
    with ScriptedEndpoint(script) as endpoint:
        llm = (
            f"judge={{ type = 'llm', model = 'careful', endpoint = {{ url = '{endpoint.url}', max_concurrency = 3 }} }}"
        )
        code, _, stderr = finish(start(own, *train(2, out), "--set", llm))
        most_at_once = endpoint.most_at_once
    assert code == 0, stderr
    assert 1 < most_at_once <= 3
    assert len(cases) > 2 * num_canaries(LlmJudgeConfig(type="llm", model="careful"))  # of the first check and the last
    verdicts = [
        {(row.sample_id, row.text, row.answer_reward) for row in read_rows(run / "rollouts", RolloutRecord)}
        for run in (out, whole(2))
    ]
    assert verdicts[0] == verdicts[1]


def test_the_discriminator_learns_on_two_what_it_learns_on_one(workspace: Path, tmp_path: Path) -> None:
    runs = []
    for name in ("alone", "together", "again"):
        own = tmp_path / ("together" if name == "again" else name)
        if not own.exists():
            shutil.copytree(workspace, own)
        short = ["--set", "pretrain-disc.num_steps=3", "--set", "pretrain-disc.held_out_share=0.3"]
        short += ["--set", "pretrain-disc.num_responses=1", "--set", "pretrain-disc.sampling.max_new_tokens=8"]
        short += ["--student", "student", "--out", f"out-{name}"]
        if name == "alone":
            process = start(own, sys.executable, "-m", "rilctl", "pretrain-disc", *short)
        else:
            process = start(own, *command("pretrain-disc", 2, *short))
        code, _, stderr = finish(process)
        assert code == 0, stderr
        runs.append(own / f"out-{name}")
    alone, together, again = (read_metrics(run / "metrics.jsonl") for run in runs)
    for own_row, expected in zip(together, alone, strict=True):
        assert own_row == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert again == together
    digests = [json.loads((run / "responses" / "manifest.json").read_text())["content_digest"] for run in runs]
    assert len(set(digests)) == 1


def test_what_ctrl_c_puts_away_another_number_of_processes_goes_on_with(workspace: Path, tmp_path: Path) -> None:
    out, torch_alone = tmp_path / "sft", [sys.executable, "-m", "rilctl", "sft"]
    settings = ["--set", "sft.num_steps=80", "--set", "sft.checkpoint_every=80", "--set", "sft.validate_every=80"]
    process = start(workspace, *command("sft", 2, *settings, "--out", str(out)))
    wait_for(out / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    code, stdout, stderr = finish(process)
    assert code == 130 and stdout == ""
    assert stderr.count("hint: resume with `rilctl sft --gpus 2") == 1
    (checkpoint,) = (out / "resume").glob("step-*")
    code, _, stderr = finish(start(workspace, *torch_alone, *settings, "--out", str(out)))
    assert code == 0, stderr
    assert f"resuming at step {int(checkpoint.name[5:])} of 80" in stderr
    assert "2 processes wrote the checkpoint, 1 go on" in stderr
    code, _, stderr = finish(start(workspace, *torch_alone, *settings, "--out", str(tmp_path / "whole")))
    assert code == 0, stderr
    resumed, whole = (read_metrics(run / "metrics.jsonl") for run in (out, tmp_path / "whole"))
    assert [row["sft/loss"] for row in resumed] == pytest.approx([row["sft/loss"] for row in whole], rel=1e-3)


def test_bad_pictures_leave_a_rank_without_rows(workspace: Path, tmp_path: Path) -> None:
    own = tmp_path / "workspace"
    shutil.copytree(workspace, own)
    for index in BAD:
        (own / f"{index}.png").write_bytes((own / f"{index}.png").read_bytes()[:60])
    run = command("sft", 3, "--set", "sft.rows_per_step=2", "--set", "sft.num_steps=12", "--json")
    code, stdout, stderr = finish(start(own, *run))
    assert code == 3, stderr
    result: dict[str, Any] = json.loads(stdout)
    rejected = {row.sample_id for row in read_rejected(Path(result["outputs"]["student"]["path"]))}
    assert rejected and rejected <= {f"q{index}#1" for index in BAD}
    assert len(read_metrics(own / "runs" / "recipe" / "sft" / "metrics.jsonl")) == 12


def test_verbs_of_one_walk_have_a_process_group_each(workspace: Path) -> None:
    engine = "engine={ type = 'deepspeed', zero_stage = 2 }"
    overrides = ("workspace.root=walk", "sft.num_steps=1", f"sft.{engine}", f"train.{engine}", "train.num_steps=1")
    words = [word for override in overrides for word in ("--set", override)]
    code, stdout, stderr = finish(start(workspace, sys.executable, "-m", "rilctl", "run", "--json", *words))
    assert code == 0, stderr
    assert {"sft", "train"} <= json.loads(stdout)["stages"].keys()
