"""`rilctl quickstart` and its jobs, when the first is killed or loses its terminal: they end, and the rerun goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rilctl.artifacts.locks import writer_lock

from .test_interrupts import ENVIRONMENT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a signal"),
    pytest.mark.timeout(900),  # seconds of work, on a machine that may have much else to do
]


def start(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rilctl", "quickstart", "--out", "w"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def until(condition, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def jobs_of(folder: Path) -> list[int]:
    """Processes that work in the folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [int(link.parent.name)] if link.readlink() == folder else []
        except OSError:
            continue
    return found


def test_killed_jobs_end_and_the_rerun_waits_for_their_locks(tmp_path: Path) -> None:
    process = start(tmp_path)
    until(lambda: (tmp_path / "w/quickstart/compare/dr-grpo/seed-0/train/metrics.jsonl").exists(), process)
    assert len(jobs_of(tmp_path)) >= 3
    process.kill()
    process.communicate()
    again = start(tmp_path)
    until(lambda: (tmp_path / "w/quickstart/compare/logs/train-dr-grpo-2.log").exists(), again)
    metrics = tmp_path / "w/quickstart/compare/dr-grpo/seed-0/train/metrics.jsonl"
    before = metrics.read_bytes()
    until(lambda: metrics.read_bytes().count(b"\n") > before.count(b"\n") + 1, again)
    again.send_signal(signal.SIGHUP)
    _, stderr = again.communicate(timeout=200)
    assert again.returncode == 129 and "stopping" in stderr, stderr
    assert not jobs_of(tmp_path)
    first = (tmp_path / "w/quickstart/compare/logs/train-dr-grpo.log").read_text()
    assert "error: interrupted by SIGHUP\n" in first and re.search(r"resume with `rilctl train ", first)
    assert "resuming" in (tmp_path / "w/quickstart/compare/logs/train-dr-grpo-2.log").read_text()


def test_two_quickstarts_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "w/quickstart/compare").mkdir(parents=True)
    with ExitStack() as held:
        held.enter_context(writer_lock(tmp_path / "w/quickstart/compare"))
        process = start(tmp_path)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"is being written by process {os.getpid()}" in line and line.endswith("waiting for it, at most 90 s\n")
        held.close()
        until(lambda: (tmp_path / "w/quickstart/compare/logs/cache-teacher.log").exists(), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=200)
    assert process.returncode == 130
