"""What a person reads of an error, and the exit code."""

import pytest
import torch

from rilctl.cli.failures import leave, show_error
from rilctl.errors import FailedElsewhereError, InterruptedByUser, LockedError


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
    for name in ("RANK", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as caught:
        leave(5)
    assert caught.value.code == 5
