"""Rehearsals as a person starts them; each is many processes, so they run one after another."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.shipped import recipes_dir

PATIENCE_S = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(2 * PATIENCE_S))


def started(folder: Path, layout: str, *arguments: str) -> "subprocess.Popen[str]":
    """`rilctl rehearse` of a shipped recipe, under way."""
    recipe = recipes_dir() / f"{layout}.toml"
    command = [sys.executable, "-m", "rilctl", "rehearse", str(recipe), "--out", "rehearsal", "--json", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rehearse(folder: Path, layout: str, *arguments: str) -> dict[str, Any]:
    """The same, to its end; what `--json` says."""
    process = started(folder, layout, *arguments)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr[-6000:]
    assert not outlived(folder), "a process outlived the rehearsal"
    report: dict[str, Any] = json.loads(stdout)
    return report


def outlived(folder: Path) -> list[int]:
    """What is left over though it had a minute: a server's own processes end a moment after it."""
    deadline = time.monotonic() + 60.0
    while (found := left_over(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def left_over(folder: Path) -> list[int]:
    """Processes that work in a folder or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(folder):
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or isn't ours
            continue
    return found
