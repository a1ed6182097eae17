"""Several `rilctl cache-teacher` at once: on one artifact, and on artifacts of their own over one call cache."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.schemas.records import ResponseRecord

from .test_interrupts import ENVIRONMENT


def run_together(workspace: Path, *outs: str) -> list[dict[str, Any]]:
    """What each says with `--json`."""
    command = [sys.executable, "-m", "rilctl", "cache-teacher", "recipe.toml", "--json", "--out"]
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen([*command, out], cwd=workspace, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True)
        for out in outs
    ]
    reports = []
    for worker in workers:
        stdout, stderr = worker.communicate(timeout=200)
        assert worker.returncode == 0, stderr
        reports.append(json.loads(stdout))
    return reports


def rows_of(out: Path) -> list[tuple[str, str, int]]:
    rows = [(row.sample_id, row.source, row.response_index) for row in read_rows(out, ResponseRecord)]
    assert len(rows) == len({*rows})
    return rows


def test_workers_on_one_artifact(fresh: Path) -> None:
    reports = run_together(fresh, "out", "out", "out")
    assert sorted(report["status"] for report in reports) == ["done", "up-to-date", "up-to-date"]
    assert rows_of(fresh / "out")


def test_workers_over_one_call_cache(fresh: Path) -> None:
    reports = run_together(fresh, "a", "b")
    assert [report["status"] for report in reports] == ["done", "done"]
    assert rows_of(fresh / "a") == rows_of(fresh / "b")
    assert read_manifest(fresh / "a").content_digest == read_manifest(fresh / "b").content_digest
    with contextlib.closing(sqlite3.connect(fresh / "runs/.cache/calls.sqlite3")) as database:
        (num_calls,) = database.execute("SELECT count(*) FROM calls").fetchone()
    assert num_calls == len(rows_of(fresh / "a"))
