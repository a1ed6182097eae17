"""A verb as a process: who owns stdout, exit codes, signals, closed pipes, terminals. The stage is scripted."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STAGE = Path(__file__).with_name("scripted_stage.py")


TERMINAL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""A program that takes its stdin for its terminal, and becomes another one."""


def start(
    script: str, *arguments: str, cwd: Path, stdout: int = subprocess.PIPE, **options: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(STAGE), *arguments],
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCRIPT": script, "COLUMNS": "80"},
        **options,
    )


def call(script: str, *arguments: str, cwd: Path) -> tuple[int, str, str]:
    process = start(script, *arguments, cwd=cwd)
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def test_stdout_is_the_students_path_whatever_engines_print(tmp_path: Path) -> None:
    code, stdout, stderr = call("noisy", "train", cwd=tmp_path)
    assert (code, stdout) == (0, f"{tmp_path}/runs/default/train/student\n")
    for noise in ("print", "descriptor", "child", "at exit"):
        assert noise in stderr.splitlines()


def test_json_is_one_object_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "pocket.toml").write_text("[train]\n")
    code, stdout, _ = call("noisy", "train", "pocket.toml", "--json", cwd=tmp_path)
    assert (code, stdout.count("\n")) == (0, 1)
    report = json.loads(stdout)
    assert 0 <= report.pop("seconds") < 30
    common = {"status": "complete"}
    out = f"{tmp_path}/runs/pocket/train"
    assert report == {
        "verb": "train",
        "status": "done",
        "outputs": {
            "student": {"kind": "student", "path": f"{out}/student", "content_digest": "d1", "rows": None, **common},
            "rollouts": {"kind": "rollouts", "path": f"{out}/rollouts", "content_digest": "d2", "rows": 7, **common},
        },
        "num_rejected": 0,
        "summary": {"accuracy": 0.51234, "suite": "digits"},
    }


def test_out_and_root_say_where_the_output_goes(tmp_path: Path) -> None:
    assert call("", "train", "--out", "x/y", cwd=tmp_path)[1] == f"{tmp_path}/x/y/student\n"
    assert call("", "train", "--set", "workspace.root=w", cwd=tmp_path)[1] == f"{tmp_path}/w/default/train/student\n"


@pytest.mark.parametrize(
    ("script", "code", "in_stderr"),
    [
        ("up to date", 0, "train: up to date"),
        ("rejected", 3, "warning: 2 rows were rejected"),
        ("rejected before", 0, "warning: 2 rows were rejected"),
        ("corrupt", 5, "error: a byte changed\n"),
        ("locked", 6, "error: somebody else writes here\nhint: wait\n"),
        ("bug", 1, "error: internal error: KeyError: 'oops'\nhint: run it again with `--debug`"),
        ("disk full", 1, "error: no space left on device: rows.parquet\nhint: "),
    ],
)
def test_exit_codes(tmp_path: Path, script: str, code: int, in_stderr: str) -> None:
    actual, stdout, stderr = call(script, "train", "--json", cwd=tmp_path)
    assert actual == code, stderr
    assert in_stderr in stderr
    assert "Traceback" not in stderr
    assert bool(stdout) == (code in (0, 3))
    if stdout:
        assert json.loads(stdout)["status"] == ("done" if script == "rejected" else "up-to-date")


def test_debug_shows_the_traceback_before_the_error(tmp_path: Path) -> None:
    code, _, stderr = call("corrupt", "train", "--debug", cwd=tmp_path)
    assert code == 5
    assert stderr.index("Traceback (most recent call last)") < stderr.index("error: a byte changed")


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    out = f"{tmp_path}/runs/default/train"
    assert call("", "train", "--dry-run", cwd=tmp_path)[1] == (
        "train\n"
        "  work\n"
        "    student         qwen3b\n"
        "    rollout tokens  24.6 M  at most\n"
        "    wall time       unknown\n"
        "  memory of one GPU\n"
        "                   weights  total\n"
        "    policy update     7 MB   9 MB\n"
        "  output\n"
        f"    directory       {out}\n"
    )
    stdout = call("", "train", "--dry-run", "--json", cwd=tmp_path)[1]
    assert json.loads(stdout) == {
        "verb": "train",
        "plan": {
            "work": {"student": "qwen3b", "rollout_tokens": 24_576_000, "wall_time_s": None},
            "memory": {"policy_update": {"weights_bytes": 7_000_000, "total_bytes": 9_000_000}},
            "output": {"directory": out},
        },
    }
    assert list(tmp_path.iterdir()) == []


def test_run_walks_the_tables_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[train]\n[eval]\n")
    code, stdout, stderr = call("rejected", "run", "--json", cwd=tmp_path)
    assert code == 3, stderr
    report = json.loads(stdout)
    assert report["verb"] == "run"
    assert {verb: stage["outputs"]["student"]["path"] for verb, stage in report["stages"].items()} == {
        verb: f"{tmp_path}/runs/recipe/{verb}/student" for verb in ("train", "eval")
    }
    assert call("", "run", cwd=tmp_path)[1].split() == [
        f"{tmp_path}/runs/recipe/{verb}/student" for verb in ("train", "eval")
    ]
    plans = json.loads(call("", "run", "--dry-run", "--json", cwd=tmp_path)[1])["plans"]
    assert len(plans) == 2
    (tmp_path / "recipe.toml").write_text("[train]\n")
    plans = json.loads(call("", "run", "--dry-run", "--json", cwd=tmp_path)[1])["plans"]
    assert [plan["verb"] for plan in plans] == ["train"]
    assert list(tmp_path.iterdir()) == [tmp_path / "recipe.toml"]


def test_what_was_picked_is_said(tmp_path: Path) -> None:
    assert "recipe: none named and no recipe.toml here" in call("", "train", cwd=tmp_path)[2]
    (tmp_path / "recipe.toml").write_text("")
    assert "recipe: recipe.toml\n" in call("", "train", cwd=tmp_path)[2]


@contextmanager
def running(script: str, *arguments: str, cwd: Path, until: str) -> Iterator[subprocess.Popen[str]]:
    process = start(script, *arguments, cwd=cwd)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_cleanly_and_says_how_to_resume(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    arguments = ("train", "--set", "train.seed=3", "--out", "a b")
    with running("patient", *arguments, cwd=tmp_path, until="train: 1000 steps, 10 already there") as process:
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (code, "")
    assert f"{number.name}: ending at the next safe point" in stderr
    assert f"error: interrupted by {number.name}\n" in stderr
    assert stderr.endswith("hint: resume with `rilctl train --set train.seed=3 --out 'a b'`\n")


def test_the_second_signal_leaves_at_once(tmp_path: Path) -> None:
    with running("stubborn", "train", cwd=tmp_path, until="ready") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "once more" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 143
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_work_has_begun_the_first_signal_leaves_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Libraries and models take long to load."""
    with running("loading", "train", cwd=tmp_path, until="loading") as process:
        process.send_signal(number)
        began = time.monotonic()
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (128 + number, "")
    assert stderr == f"error: interrupted by {number.name}\nhint: resume with `rilctl train`\n"
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("module", ["rilctl.cli.app", "typer", "pydantic", "rilctl.config.recipe"])
def test_ctrl_c_while_the_program_loads_is_no_traceback(tmp_path: Path, module: str) -> None:
    program = f"""
import importlib.abc, os, runpy, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["rilctl", "config", "show"]
runpy.run_module("rilctl", run_name="__main__", alter_sys=True)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    expected = (130, "", "error: interrupted by SIGINT\nhint: run the same command again\n")
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_signals_after_the_result_do_not_change_the_exit_code(tmp_path: Path) -> None:
    process = start("signals late", "train", cwd=tmp_path, start_new_session=True)
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (0, f"{tmp_path}/runs/default/train/student\n")
    assert "rror" not in stderr


def test_a_closed_terminal_is_a_clean_end(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, sys.executable, str(STAGE), "train"],
        cwd=tmp_path,
        stdin=child,
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "SCRIPT": "patient", "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(child)
    shown = b""
    while b"steps" not in shown:
        shown += os.read(parent, 4096)
    os.close(parent)
    stdout, _ = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (129, b"")


def test_what_nohup_protects_goes_on(tmp_path: Path) -> None:
    command = f"nohup {sys.executable} {STAGE} train"
    environment = {**os.environ, "SCRIPT": "patient"}
    process = subprocess.Popen(
        command.split(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        while "already there" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
    finally:
        process.kill()
        process.communicate()


def test_nobody_reads_the_result(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start("", "train", cwd=tmp_path, stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "error" not in stderr.lower()
    assert "BrokenPipe" not in stderr


def test_a_full_disk_behind_stdout_is_named(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        process = start("", "train", cwd=tmp_path, stdout=full.fileno())
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error: no space left on device: stdout\n" in stderr


def test_a_full_disk_behind_stderr_ends_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, str(STAGE), "train"]
        environment = {**os.environ, "SCRIPT": "progress"}
        done = subprocess.run(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full, text=True, env=environment, timeout=120
        )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/runs/default/train/student\n")


def test_nobody_reads_the_progress_and_the_work_goes_on(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        [sys.executable, str(STAGE), "train"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=writer,
        env={**os.environ, "SCRIPT": "progress"},
        check=False,
        timeout=120,
    )
    os.close(writer)
    assert finished.stdout.decode() == f"{tmp_path}/runs/default/train/student\n"
    assert finished.returncode == 0


def test_closed_standard_streams(tmp_path: Path) -> None:
    command = f"exec {sys.executable} {STAGE} train 0<&- 1>&- 2>&-"
    assert subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, "SCRIPT": "noisy"}).returncode == 0


def test_progress_without_a_terminal_is_plain_lines(tmp_path: Path) -> None:
    _, _, stderr = call("progress", "train", cwd=tmp_path)
    assert "\x1b" not in stderr
    lines = stderr.splitlines()
    assert "train: 3 steps" in lines
    assert any(line.startswith("train: 3/3 steps, ") and ", loss 0.5, took" in line for line in lines)
    assert "warning: a warning" in lines


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_progress_on_a_terminal_is_a_bar(tmp_path: Path, variables: dict[str, str], colored: bool) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(STAGE), "train"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "SCRIPT": "progress", "TERM": "xterm-256color", **variables},
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # Linux says EIO where the other end is closed
        pass
    os.close(parent)
    stdout, _ = process.communicate(timeout=120)
    assert stdout.decode() == f"{tmp_path}/runs/default/train/student\n"
    assert b"3/3 steps" in shown
    assert b"\x1b[?25h" in shown  # the cursor is back
    assert (b"\x1b[33m" in shown) == colored


def test_quickstart_ends_with_one_json_object(tmp_path: Path) -> None:
    code, stdout, stderr = call("", "quickstart", "--json", "--out", "w", cwd=tmp_path)
    assert code == 0, stderr
    said = json.loads(stdout)
    assert [arm["name"] for arm in said["arms"]] == ["ril"] and said["advice"] == "use `ril`"
    assert said["artifacts"] == {"report": "w/quickstart/report.html"}
    assert "75.0 %" in stderr and "use `ril`" in stderr
    assert call("", "quickstart", cwd=tmp_path)[1] == "runs/quickstart/report.html\n"


def test_positional_arguments_of_judge_and_eval_are_inputs_or_recipes(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("")
    for verb, key in (("judge", "source"), ("eval", "student")):
        for arguments in (("-", "r.toml"), ("r.toml", "-")):
            stdout = call("echo", verb, *arguments, "--json", cwd=tmp_path)[1]
            assert json.loads(stdout)["summary"] == {key: "-", "recipe": "r"}
