"""Runs are found and told apart, whatever state they are in; nothing is written to them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rilctl.artifacts.runs import Run, open_run
from rilctl.errors import ArtifactError
from rilctl.reporting.metrics import MetricsLog
from rilctl.schemas.records import RejectedRecord, RolloutRecord
from rilctl.testing.records import rollout_row
from rilctl.views.runs import alive
from rilctl.views.runs.find import distinct_names, find_runs, view_run

ROLES = {"student": "student", "rollouts": "rollouts"}
BEGIN = """
import sys, time
from pathlib import Path
from rilctl.artifacts.runs import open_run
from rilctl.reporting.metrics import MetricsLog

with open_run(
    Path(sys.argv[1]), verb="train", config={"train": {}}, semantic={}, inputs=[],
    roles={"student": "student", "rollouts": "rollouts"},
) as run:
    MetricsLog(run.path).write(1, {"policy/loss": 0.5})
    print("begun", flush=True)
    time.sleep(600)
"""


def rollout(step: int, index: int = 0) -> RolloutRecord:
    return rollout_row(step, f"q{step}", response_index=index, image_digests=["a" * 64], reward=1.0)


def write_run(out: Path, *, finished: bool = True) -> Path:
    with open_run(out, verb="train", config={"train": {"seed": 0}}, semantic={}, inputs=[], roles=ROLES) as run:
        log = MetricsLog(run.path)
        for step in (1, 2, 3):
            log.write(step, {"policy/loss": step / 2, **({"disc/auc": 0.5} if step == 2 else {})}, {"update_s": 0.25})
        if finished:
            finish(run)
        else:
            rows = [rollout(1), rollout(1, 1), rollout(2)]
            (run.resume_dir / "rollouts.jsonl").write_text("".join(f"{row.model_dump_json()}\n" for row in rows))
    return out


def finish(run: Run) -> None:
    writer = run.writer("rollouts", "rollouts")
    writer.write_rows([rollout(1), rollout(2)])
    writer.write_rejected([RejectedRecord(sample_id="q9", source="digits", reason="image-truncated", message="cut")])
    writer.commit()
    writer = run.writer("student", "student")
    save_file({"weight": np.zeros(2, dtype=np.float32)}, writer.staging() / "model.safetensors")
    writer.commit(metrics={"policy/loss": 1.5})


def test_a_finished_run(tmp_path):
    out = write_run(tmp_path / "pocket" / "train")
    (view,) = find_runs(tmp_path)
    assert (view.name, view.path, view.verb, view.state, view.writer) == (
        "pocket/train",
        out,
        "train",
        "finished",
        None,
    )
    assert view.recipe == {"train": {"seed": 0}}
    assert view.metrics == {"policy/loss": [(1, 0.5), (2, 1.0), (3, 1.5)], "disc/auc": [(2, 0.5)]}
    assert view.timings == {"update_s": [(1, 0.25), (2, 0.25), (3, 0.25)]}
    assert sorted(view.manifests) == ["rollouts", "student"]
    assert view.manifests["student"].metrics == {"policy/loss": 1.5}
    assert [(row.step, row.text) for row in view.rollouts()] == [(1, "3"), (2, "3")]
    assert [row.reason for row in view.rejected()] == ["image-truncated"]
    assert view.problems == []


def test_a_run_that_was_interrupted_has_its_rollouts_so_far(tmp_path):
    out = write_run(tmp_path / "train", finished=False)
    for name in ("metrics.jsonl", "resume/rollouts.jsonl"):  # a kill, within the last line
        with (out / name).open("a") as file:
            file.write('{"step": 4, "policy/lo')
    view = view_run(out)
    assert view.state == "stopped"
    assert [(row.step, row.response_index) for row in view.rollouts()] == [(1, 0), (1, 1), (2, 0)]
    assert view.metrics["policy/loss"][-1] == (3, 1.5)
    assert (view.rejected(), view.problems) == ([], [])


def test_what_is_damaged_hides_nothing_else(tmp_path):
    out = write_run(tmp_path / "train")
    (out / "student" / "manifest.json").write_text("{")
    shard = next((out / "rollouts").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    lines = (out / "metrics.jsonl").read_text().splitlines()
    (out / "metrics.jsonl").write_text("\n".join([lines[0], "not json", "[1]", lines[2], ""]))
    view = view_run(out)
    assert [*view.manifests] == ["rollouts"]
    assert [*view.rollouts()] == []
    assert view.metrics["policy/loss"] == [(1, 0.5), (3, 1.5)]
    assert [problem.split("`")[1].removeprefix(f"{out}/") for problem in view.problems] == [
        "student/manifest.json",
        str(shard.relative_to(out)),
        "metrics.jsonl",
    ]
    assert "2 of its lines" in view.problems[-1]
    (out / "run.json").write_text("{")
    assert (view_run(out).verb, view_run(out).state) == ("train", "finished")  # its manifests say so as well


def test_nothing_is_left_that_says_what_it_is(tmp_path):
    out = write_run(tmp_path / "train", finished=False)
    (out / "run.json").write_text("{")
    view = view_run(out)
    assert (view.state, view.verb, view.recipe, len(view.problems)) == ("unreadable", "", {}, 1)
    assert view.metrics["policy/loss"] == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_a_run_under_way_and_then_killed(tmp_path):
    out = tmp_path / "train"
    process = subprocess.Popen([sys.executable, "-c", BEGIN, str(out)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        before = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
        view = view_run(out)
        assert (view.state, view.metrics) == ("running", {"policy/loss": [(1, 0.5)]})
        assert view.writer is not None and view.writer.holder.pid == process.pid and view.writer.is_here
        assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == before
        process.send_signal(signal.SIGKILL)
        while view.state == "running":  # not reaped: a process that has ended, and still has its number
            view = view_run(out)
        assert view.state == "stopped" and process.returncode is None
    finally:
        process.kill()
        process.communicate()
    assert view_run(out).state == "stopped"


@pytest.mark.parametrize(
    ("silent_s", "has_log", "state"),
    [(5.0, True, "running"), (3600.0, True, "stopped"), (3600.0, False, "running")],
)
def test_of_another_host_files_tell(tmp_path, silent_s, has_log, state):
    out = write_run(tmp_path / "train", finished=False)
    holder = {"pid": os.getpid(), "host": f"not-{socket.gethostname()}", "since": "2026-01-01T00:00:00+00:00"}
    (out / ".lock.json").write_text(json.dumps(holder))
    if not has_log:
        (out / "metrics.jsonl").unlink()
    for file in (*out.rglob("*"), out / "resume"):
        os.utime(file, (time.time() - silent_s,) * 2)
    view = view_run(out)
    assert view.state == state
    assert view.writer is not None and not view.writer.is_here
    assert view.writer.silent_s == pytest.approx(silent_s, abs=30)  # a busy machine may take its time


def test_a_number_that_was_given_to_another_process(tmp_path):
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": "2001-01-01T00:00:00+00:00"}
    (tmp_path / ".lock.json").write_text(json.dumps(holder))
    writer = alive.writer_of(tmp_path)
    assert writer is not None and not writer.is_alive


def test_an_artifact_stands_for_its_run_and_one_without_a_run_for_itself(tmp_path, monkeypatch):
    out = write_run(tmp_path / "pocket" / "train")
    assert [view.path for view in find_runs(out / "student", out)] == [out]
    monkeypatch.chdir(out / "student")
    assert [view.path for view in find_runs(Path("."))] == [out]
    alone = tmp_path / "copied"
    (out / "rollouts").rename(alone)
    (view,) = find_runs(alone)
    assert (view.verb, view.state, [*view.manifests]) == ("train", "finished", ["rollouts"])
    assert [row.step for row in view.rollouts()] == [1, 2]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_what_is_no_run_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError) as caught:
        find_runs(tmp_path / name)
    assert f"{tmp_path / name}`" in caught.value.message
    assert caught.value.hint is not None


def test_names_are_as_long_as_they_must_be():
    paths = [Path("/a/x/train"), Path("/b/x/train"), Path("/b/y/sft")]
    assert distinct_names(paths) == ["a/x/train", "b/x/train", "y/sft"]
    assert distinct_names([Path("/train"), Path("/x/train")]) == ["train", "x/train"]
    assert distinct_names([Path("/a/b/train"), Path("/a/b/train")]) == ["b/train", "b/train"]
    assert distinct_names([]) == []
