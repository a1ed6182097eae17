"""The real command line in this process."""

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.layout import LOCK
from rilctl.cli import output
from rilctl.cli.app import run


@dataclass(frozen=True)
class Outcome:
    """What a command line came to."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """What `--json` wrote: one object on one line."""
        assert self.stdout.count("\n") == 1, self.stdout
        return json.loads(self.stdout)

    def refused(self, code: int, *parts: str) -> None:
        """It ended with this code, nothing on stdout, a message with these parts, a hint, and no traceback."""
        assert (self.code, self.stdout) == (code, ""), self.stderr
        errors = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert errors and "\nhint: " in self.stderr, self.stderr
        for part in parts:
            assert part in self.stderr
        assert "Traceback" not in self.stderr and "internal error" not in self.stderr


@contextlib.contextmanager
def _captured() -> Iterator[Callable[[], tuple[str, str]]]:
    """File descriptors 1 and 2 go to files, and come back, although a verb takes the first for itself."""
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            os.dup2(stdout.fileno(), 1)
            os.dup2(stderr.fileno(), 2)
            with open(2, "w", closefd=False, errors="backslashreplace") as text, contextlib.redirect_stderr(text):
                yield lambda: (_content(stdout), _content(stderr))
        finally:
            if output._result_descriptor != 1:
                os.close(output._result_descriptor)
                output._result_descriptor = 1
            for number, descriptor in enumerate(kept, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)


def _content(file: Any) -> str:
    sys.stderr.flush()
    file.seek(0)
    return file.read().decode()


def call(workspace: Path, *arguments: str | Path, stdin: bytes = b"") -> Outcome:
    """One command line, run in the workspace."""
    with contextlib.chdir(workspace), pytest.MonkeyPatch.context() as patch, _captured() as read:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        patch.setattr(sys, "argv", ["rilctl", *map(str, arguments)])
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *read())


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time of change and content; but for locks, which filelock before 4.2.5 empties to take them."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
