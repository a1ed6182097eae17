"""What a person reads of an error, and the exit code."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from rilctl.cli import failures
from rilctl.cli.failures import leave, show_error
from rilctl.errors import FailedElsewhereError, InterruptedByUser, LockedError

WORLD = ("RANK", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LockedError("somebody writes", hint="wait"), 6, "error: somebody writes\nhint: wait\n"),
        (InterruptedByUser(15, "rilctl sft"), 143, "error: interrupted by SIGTERM\nhint: resume with `rilctl sft`\n"),
        (FailedElsewhereError(3, 5), 5, ""),
        (MemoryError("too much"), 1, "error: out of memory: too much\n"),
        (torch.OutOfMemoryError("CUDA out of memory.\nmore"), 1, "error: out of memory: CUDA out of memory.\n"),
        (
            NotADirectoryError(20, "Not a directory", "afile/runs"),
            2,
            "error: not a directory: afile/runs\nhint: choose another place to write to\n",
        ),
        (PermissionError(13, "Permission denied", "runs"), 1, "error: permission denied: runs\nhint: nothing that was"),
        (
            OSError(30, "Read-only file system", "/boot/runs"),
            1,
            "error: read-only file system: /boot/runs\nhint: nothing that was written is lost; see that it is there "
            "and can be written to, or write elsewhere, then run the same command again\n",
        ),
        (
            OSError(5, "Input/output error", "runs"),
            1,
            "error: input/output error: runs\nhint: nothing that was written is lost; run the same command again\n",
        ),
        (RuntimeError("what?"), 1, "error: internal error: RuntimeError: what?\n"),
    ],
)
def test_every_error_has_a_code_and_words(error, code, words, capsys) -> None:
    assert show_error(error, with_traceback=False) == code
    assert capsys.readouterr().err.startswith(words)


def test_one_process_ends_as_any_program_does(monkeypatch) -> None:
    monkeypatch.setattr(failures, "LINGERING", set())  # another test's group
    for name in WORLD:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as caught:
        leave(5)
    assert caught.value.code == 5


@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_process_that_had_a_group_ends_before_python_takes_down_what_its_threads_use(is_grouped: bool) -> None:
    code = f"""
import atexit, os
from rilctl.cli.failures import leave
from rilctl.engines.training.ranks import open_ranks
from rilctl.engines.training.world import World

atexit.register(os.abort)  # as a thread of gloo's does
with open_ranks(World(), grouped={is_grouped}):
    print("done")
leave(0)
"""
    environment = {name: value for name, value in os.environ.items() if name not in WORLD}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert ended.returncode == (0 if is_grouped else -signal.SIGABRT), ended.stderr
    assert ended.stdout == b"done\n"
