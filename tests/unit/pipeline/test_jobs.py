import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rilctl.errors import InterruptedByUser, RilctlError
from rilctl.pipeline.jobs import Job, JobSettings, run_jobs
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StopFlag

SCRIPT = textwrap.dedent(
    """
    import json, os, signal, sys, time
    from pathlib import Path

    name, what, *rest = sys.argv[1:]
    assert rest[-1] == "--json"
    def stopped(number, frame):
        Path(f"{name}.checkpoint").touch()
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGHUP, stopped)
    Path(f"{name}.began").touch()
    print("working", file=sys.stderr, flush=True)
    if what == "sleep":
        time.sleep(250)
    if what == "meet":  # ends only if that is there at the same time
        deadline = time.monotonic() + 100
        while not Path(rest[0]).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    if what == "fail":
        print("error: no disk\\nhint: buy one", file=sys.stderr)
        sys.exit(1)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "mute":
        sys.exit(0)
    with open("order", "a") as file:
        file.write(f"{name} ")
    print(json.dumps({"outputs": {"student": {"path": str(Path.cwd() / "out" / name)}}, "arguments": rest}))
    sys.exit(3 if what == "rejected" else 0)
    """
)


class Reporter(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.num_done = 0

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, num: int = 1, **_: object) -> None:
        self.num_done += num


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[int], JobSettings]:
    (tmp_path / "fake.py").write_text(SCRIPT)

    def make(workers: int) -> JobSettings:
        program = (sys.executable, str(tmp_path / "fake.py"))
        return JobSettings(workers, tmp_path / "logs", tmp_path, dict(os.environ), program)

    return make


def _run(
    jobs: dict[str, Job],
    settings: JobSettings,
    stop: StopFlag | None = None,
    reporter: Reporter | None = None,
    **options: Any,
) -> tuple[dict[str, dict], Reporter]:
    reporter, stop = reporter or Reporter(), stop or StopFlag()
    return run_jobs(jobs, settings, reporter=reporter, stop=stop, resume_command="rilctl again", **options), reporter


def _job(name: str, what: str, *rest: str, needs: tuple[str, ...] = ()) -> Job:
    return Job(f"about {name}", (name, what, *rest), needs)


def test_jobs_wait_for_what_they_need_and_get_its_paths(settings: Callable[[int], JobSettings], tmp_path: Path) -> None:
    jobs = {
        "last": _job("last", "go", "--set=student={middle:student}"),
        "middle": _job("middle", "rejected", needs=("first",)),
        "first": _job("first", "go"),
    }
    results, reporter = _run(jobs, settings(2))
    assert (tmp_path / "order").read_text() == "first middle last "
    assert results["last"]["arguments"] == ["--set=student=out/middle", "--json"]
    assert "last: about last\n  rilctl last go --set=student=out/middle" in reporter.said
    assert reporter.num_done == 3


def test_two_workers_run_two_jobs_at_the_same_time(settings: Callable[[int], JobSettings]) -> None:
    results, _ = _run({"a": _job("a", "meet", "b.began"), "b": _job("b", "meet", "a.began")}, settings(2))
    assert results.keys() == {"a", "b"}


def test_one_worker_runs_one_job_after_the_other(settings: Callable[[int], JobSettings], tmp_path: Path) -> None:
    _run({name: _job(name, "go") for name in "cab"}, settings(1))
    assert (tmp_path / "order").read_text() == "c a b "


@pytest.mark.parametrize(
    ("what", "message"), [("fail", r"exit code 1.*no disk"), ("kill", "SIGKILL"), ("mute", "wrote no JSON object")]
)
def test_a_failure_is_told_and_stops_the_others(
    settings: Callable[[int], JobSettings], tmp_path: Path, what: str, message: str
) -> None:
    jobs = {"long": _job("long", "sleep"), "bad": _job("bad", what), "after": _job("after", "go", "{bad:x}")}
    began = time.monotonic()
    with pytest.raises(RilctlError) as caught:
        _run(jobs, settings(2))
    assert re.search(message, caught.value.message, re.DOTALL)
    assert caught.value.hint is not None and "bad.log" in caught.value.hint
    assert time.monotonic() - began < 120
    assert not (tmp_path / "after.began").exists()


def test_a_signal_ends_the_children_cleanly_and_says_how_to_go_on(
    settings: Callable[[int], JobSettings], tmp_path: Path
) -> None:
    stop = StopFlag()

    def interrupt() -> None:
        while not ((tmp_path / "a.began").exists() and (tmp_path / "b.began").exists()):
            time.sleep(0.01)
        stop.signal_number = signal.SIGINT

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedByUser) as caught:
        _run({name: _job(name, "sleep") for name in ("a", "b", "c")}, settings(2), stop)
    thread.join()
    assert caught.value.interrupted_exit_code == 130
    assert caught.value.hint == "resume with `rilctl again`"
    assert (tmp_path / "a.checkpoint").exists() and (tmp_path / "b.checkpoint").exists()
    assert not (tmp_path / "c.began").exists()


def test_the_newest_line_of_a_job_is_shown_once(settings: Callable[[int], JobSettings], tmp_path: Path) -> None:
    looks = 0

    def watch() -> None:
        nonlocal looks
        looks += "  a: working" in reporter.said
        if looks == 10:
            (tmp_path / "shown").touch()

    reporter = Reporter()
    _run({"a": _job("a", "meet", "shown")}, replace(settings(1), relay_s=0.0), reporter=reporter, watch=watch)
    assert reporter.said.count("  a: working") == 1


RUNS_JOBS = """
import os, sys
from pathlib import Path
from rilctl.pipeline.jobs import Job, JobSettings, run_jobs
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StopFlag

cwd = Path(sys.argv[1])
settings = JobSettings(2, cwd / "logs", cwd, dict(os.environ), (sys.executable, str(cwd / "fake.py")))
jobs = {name: Job(name, (name, "sleep")) for name in "ab"}
run_jobs(jobs, settings, reporter=SilentReporter(), stop=StopFlag(), resume_command="")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a signal")
def test_jobs_put_their_work_away_when_who_started_them_is_killed(
    settings: Callable[[int], JobSettings], tmp_path: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUNS_JOBS, str(tmp_path)])
    deadline = time.monotonic() + 200
    while not all((tmp_path / f"{name}.began").exists() for name in "ab"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    while not all((tmp_path / f"{name}.checkpoint").exists() for name in "ab"):
        assert time.monotonic() < deadline, "they run on"
        time.sleep(0.01)


def test_every_start_has_a_log_of_its_own(settings: Callable[[int], JobSettings], tmp_path: Path) -> None:
    with pytest.raises(RilctlError):
        _run({"a": _job("a", "fail")}, settings(1))
    _run({"a": _job("a", "go")}, settings(1))
    assert "no disk" in (tmp_path / "logs/a.log").read_text()
    assert (tmp_path / "logs/a-2.log").read_text() == "working\n"
    assert (tmp_path / "logs/a.json").read_text() == "" and (tmp_path / "logs/a-2.json").read_text() != ""
