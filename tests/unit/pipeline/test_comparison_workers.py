"""What the commands of a comparison may use."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rilctl.pipeline.comparison.workers import job_settings, num_cores, visible_gpus
from rilctl.pipeline.jobs import Job, JobSettings, run_jobs
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StopFlag

FAKE = """
import json, os, sys, time
from pathlib import Path
gpu = os.environ["CUDA_VISIBLE_DEVICES"]
Path(f"on-{gpu}").touch(exist_ok=False)
deadline = time.monotonic() + 100
while not all(Path(f"began-{each}").exists() for each in "ab"):
    Path(f"began-{sys.argv[1]}").touch()
    assert time.monotonic() < deadline
    time.sleep(0.01)
time.sleep(0.2)
Path(f"on-{gpu}").unlink()
print(json.dumps({"gpu": gpu}))
"""


def settings(num_jobs: int | None, tmp_path: Path, **environment: str) -> JobSettings:
    return job_settings(num_jobs, tmp_path / "logs", tmp_path, environment)


def test_one_command_for_each_gpu_by_default(tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-7"}) == ["3", "GPU-7"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    found = settings(None, tmp_path, CUDA_VISIBLE_DEVICES="3,5,6")
    assert found.workers == 3
    assert [found.environment_of(worker)["CUDA_VISIBLE_DEVICES"] for worker in range(3)] == ["3", "5", "6"]
    assert found.environment_of(4)["CUDA_VISIBLE_DEVICES"] == "5"  # more commands than GPUs share them


def test_one_command_at_a_time_has_all_of_it(tmp_path: Path) -> None:
    alone = settings(1, tmp_path, CUDA_VISIBLE_DEVICES="3,5")
    assert alone.environment_of(0) == {"CUDA_VISIBLE_DEVICES": "3,5"}


def test_commands_at_once_share_the_cores_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    shared = settings(2, tmp_path, CUDA_VISIBLE_DEVICES="")
    assert shared.environment_of(1)["OMP_NUM_THREADS"] == str(max(1, num_cores() // 2))
    assert (
        settings(2, tmp_path, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="7").environment_of(0)["OMP_NUM_THREADS"] == "7"
    )


def test_two_processes_never_have_the_same_gpu_at_once(tmp_path: Path) -> None:
    (tmp_path / "fake.py").write_text(FAKE)
    found = job_settings(2, tmp_path / "logs", tmp_path, {**os.environ, "CUDA_VISIBLE_DEVICES": "3,5"})
    program: Sequence[str] = (sys.executable, str(tmp_path / "fake.py"))
    jobs = {name: Job(name, (name,)) for name in "abcd"}
    results = run_jobs(
        jobs,
        JobSettings(2, found.logs, tmp_path, found.environment, tuple(program), slots=found.slots),
        reporter=SilentReporter(),
        stop=StopFlag(),
        resume_command="",
    )
    assert {results["a"]["gpu"], results["b"]["gpu"]} == {"3", "5"}
    assert {results[name]["gpu"] for name in "cd"} <= {"3", "5"}
