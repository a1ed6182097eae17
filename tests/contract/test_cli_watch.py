"""`rilctl watch` on real runs: in a terminal and without one; under way, killed, over."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rilctl.views.watch.protocols import QUESTION

from .helpers import call, snapshot

Finished = tuple[Path, dict[str, dict[str, Any]]]
RILCTL = [sys.executable, "-m", "rilctl"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
for _size in ("LINES", "COLUMNS"):  # the terminal's own
    ENVIRONMENT.pop(_size, None)
BEGINS, ENDS = "\x1b[?1049h", "\x1b[?1049l"
"""What a terminal is sent to keep what it shows, and to show it again."""


class Screen:
    """A command in a terminal of 100 columns and 30 lines; all that it was sent."""

    def __init__(self, workspace: Path, *arguments: str) -> None:
        self.descriptor, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [*RILCTL, *arguments], cwd=workspace, stdin=inner, stdout=inner, stderr=inner, env=ENVIRONMENT
        )
        os.close(inner)
        self._sent = b""

    def read_until(self, holds: Callable[[str], bool], timeout_s: float = 120) -> str:
        """What was sent so far, as soon as that is as asked, or the command has ended."""
        end = time.monotonic() + timeout_s
        while not holds(self.text) and time.monotonic() < end:
            try:
                piece = os.read(self.descriptor, 65536)
            except OSError:  # nobody writes there any more
                break
            if not piece:
                break
            self._sent += piece
        return self.text

    @property
    def text(self) -> str:
        return self._sent.decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


@contextmanager
def screen(workspace: Path, *arguments: str) -> Iterator[Screen]:
    opened = Screen(workspace, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def training(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training under way that has noted its first steps."""
    command = [*RILCTL, "train", "recipe.toml", "--out", "runs/live", "--set", "train.num_steps=5000"]
    with (workspace / "live.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=workspace, stderr=log, stdout=log, env=ENVIRONMENT)
    try:
        end = time.monotonic() + 120
        while not (workspace / "runs/live/metrics.jsonl").exists():
            assert process.poll() is None and time.monotonic() < end, (workspace / "live.log").read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def steps_shown(text: str) -> list[int]:
    """In the order in which a terminal was sent them."""
    return [int(step) for step in re.findall(r"step (\d+) of 5000", text)]


def test_a_training_under_way_is_shown_and_its_end_ends_the_view(done: Path) -> None:
    with training(done) as run, screen(done, "watch", "runs", "--interval", "0.2") as terminal:
        text = terminal.read_until(lambda text: len({*steps_shown(text)}) >= 3 and "truth: " in text)
        assert BEGINS in text and ENDS not in text and terminal.process.poll() is None
        for part in (
            "runs/live",
            "running",
            f"process {run.pid} on ",
            " left",
            "policy update ",
            "reward/answer_student",
        ):
            assert part in text, part
        assert sorted(steps_shown(text)) == steps_shown(text)
        # Another one is left by Ctrl-C, at once; a third in a pipe ends with whoever reads it.
        with screen(done, "watch", "runs/live") as left:
            left.read_until(lambda text: " of 5000, " in text)
            left.process.send_signal(signal.SIGINT)
            assert left.read_until(lambda _: False).endswith(f"{ENDS}\x1b[?25h")
            assert left.process.wait(60) == 130
        lines = subprocess.Popen(
            [*RILCTL, "watch", "runs/live", "--interval", "0.1"], cwd=done, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        assert lines.stdout is not None
        told = [lines.stdout.readline().decode() for _ in range(3)]
        numbers = [int(line.removeprefix("step ").split(" of 5000, ")[0]) for line in told]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        assert "reward/answer_student " in told[0]
        lines.stdout.close()
        assert lines.wait(60) == 0
        assert run.poll() is None  # nothing of this hurt the run

        run.send_signal(signal.SIGKILL)
        text = terminal.read_until(lambda _: False)
        assert terminal.process.wait(60) == 1
        last = text.partition(ENDS)[2]
        assert "stopped" in last and f"process {run.pid}" in last and "truth: " in last
        assert "error: `runs/live` stopped after step " in last


def test_a_finished_run_is_shown_once(finished: Finished) -> None:
    workspace = finished[0]
    before = snapshot(workspace)
    with screen(workspace, "watch", "runs/recipe/train") as terminal:
        text = terminal.read_until(lambda _: False)
        assert terminal.process.wait(60) == 0
    assert BEGINS not in text and "finished" in text and "step 3 of 3" in text and "truth: " in text
    assert "▀" in text  # the question's picture
    assert len(text.strip().splitlines()) <= 30
    outcome = call(workspace, "watch", "runs/recipe/train/student")
    assert outcome.code == 0
    step, state = outcome.stdout.splitlines()
    assert step.startswith("step 3 of 3, ") and "reward/answer_student" in step
    assert state.startswith("recipe/train: finished, ") and state.endswith("discriminator, rollouts, student")
    assert snapshot(workspace) == before


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "\x1b_Ga=T,f=100,"),
        (b"\x1b[?64;1;2c", "▀"),
    ],
)
def test_a_terminal_that_shows_pictures_is_sent_one(finished: Finished, answer: bytes, sent: str) -> None:
    with screen(finished[0], "watch", "runs/recipe/train") as terminal:
        terminal.read_until(lambda text: QUESTION in text)
        os.write(terminal.descriptor, answer)
        text = terminal.read_until(lambda _: False)
        assert terminal.process.wait(60) == 0
    assert sent in text.replace(QUESTION, "")
    assert ("▀" in text) == (sent == "▀")
    assert "truth: " in text
    if sent != "▀":  # where its place is, and back
        before, _, after = text.replace(QUESTION, "").partition("\x1b7")
        assert before.endswith("\r\n") and "truth: " in before
        assert after.startswith("\x1b[29A") and after.endswith("\x1b8")


def test_a_verb_without_steps(finished: Finished) -> None:
    outcome = call(finished[0], "watch", "runs/recipe/cache-teacher")
    assert outcome.code == 0
    assert outcome.stdout.startswith("recipe/cache-teacher: finished, ") and "teacher-cache" in outcome.stdout


def test_of_several_runs_the_newest_is_named(finished: Finished) -> None:
    outcome = call(finished[0], "watch", "runs")
    assert outcome.code == 0
    assert "watching `runs/recipe/" in outcome.stderr and f"one of {len(finished[1])} runs at `runs`" in outcome.stderr


def test_what_is_no_run(fresh: Path) -> None:
    call(fresh, "watch", "runs").refused(5, "`runs` doesn't exist")
    (fresh / "runs").mkdir()
    call(fresh, "watch", "runs").refused(5, "there is no run at `runs`")
    call(fresh, "watch", "recipe.toml").refused(5, "`recipe.toml` is a file")
    call(fresh, "watch", "runs", "--interval", "0").refused(2, "--interval")


def test_a_run_that_stopped_says_where(done: Path) -> None:
    for file in (done / "runs/recipe/sft").iterdir():
        with suppress(OSError):
            (file / "manifest.json" if file.is_dir() else file.with_name("manifest.json")).unlink()
    outcome = call(done, "watch", "runs/recipe/sft")
    assert outcome.code == 1
    assert "error: `runs/recipe/sft` stopped after step 3, and isn't finished" in outcome.stderr
    assert "hint: the command that made it goes on with it" in outcome.stderr
