"""The command line as a user has it."""

import subprocess
import sys
from pathlib import Path


def rilctl(workspace: Path, *arguments: str, stdin: str = "", code: int = 0) -> str:
    """Run a command in a workspace; what it says on stderr."""
    command = [sys.executable, "-m", "rilctl", *arguments]
    done = subprocess.run(
        command, cwd=workspace, input=stdin, text=True, capture_output=True, timeout=1800, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
