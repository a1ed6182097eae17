"""Named `rilctl` processes that wait for one another: a small scheduler."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rilctl.engines.child import as_child
from rilctl.errors import InterruptedByUser, RilctlError
from rilctl.reporting.progress import Reporter
from rilctl.stages.shared.context import StopFlag

_POLL_S = 0.05
_GRACE_S = 120.0
"""How long a job may take to put its progress on disk after SIGTERM."""
_TAIL_LINES = 12
_EXIT_DONE = (0, 3)
"""Done or up to date; complete with rejected rows."""
_OUTPUT = re.compile(r"\{(?P<job>[\w-]+):(?P<role>[\w-]+)\}")


@dataclass(frozen=True)
class Job:
    """One `rilctl` command.

    Args:
        about: what it is for, as a person reads it.
        arguments: what follows `rilctl`, without `--json`; `{job:role}` stands for the path of another job's output.
        needs: jobs that come first, besides those whose outputs the arguments name.
    """

    about: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def all_needs(self) -> set[str]:
        """Every job that comes first."""
        return {*self.needs, *(found["job"] for text in self.arguments for found in _OUTPUT.finditer(text))}

    def with_paths(self, results: Mapping[str, Mapping[str, Any]], cwd: Path) -> "Job":
        """The job with the paths of other jobs' outputs filled in, relative to `cwd` where they are below it."""

        def path(found: re.Match[str]) -> str:
            output = Path(results[found["job"]]["outputs"][found["role"]]["path"])
            return str(output.relative_to(cwd) if output.is_relative_to(cwd) else output)

        return replace(self, arguments=tuple(_OUTPUT.sub(path, text) for text in self.arguments))

    @property
    def command(self) -> str:
        """The command as one would type it."""
        return shlex.join(("rilctl", *self.arguments))


@dataclass(frozen=True)
class JobSettings:
    """What all jobs share.

    Args:
        workers: processes at the same time.
        logs: folder for what each job writes to stderr (`.log`) and stdout (`.json`); each start has files of its own.
        cwd: where they run.
        environment: all of their environment variables.
        program: what `rilctl` stands for.
        relay_s: time between two lines of one job's progress.
        slots: what each worker's environment has besides, such as a GPU of its own; none: nothing.
    """

    workers: int
    logs: Path
    cwd: Path
    environment: Mapping[str, str]
    program: tuple[str, ...] = (sys.executable, "-m", "rilctl")
    relay_s: float = 15.0
    slots: tuple[Mapping[str, str], ...] = ()

    def environment_of(self, worker: int) -> dict[str, str]:
        """All environment variables of a worker's jobs."""
        return {**self.environment, **(self.slots[worker % len(self.slots)] if self.slots else {})}


@dataclass
class _Running:
    """A job's process, in a session of its own: Ctrl-C in the terminal reaches us, and we tell it."""

    job: Job
    process: subprocess.Popen[bytes]
    log: Path
    output: Path
    worker: int
    began: float = field(default_factory=time.monotonic)
    relayed: float = field(default_factory=time.monotonic)
    last_line: str = ""


def run_jobs(
    jobs: Mapping[str, Job],
    settings: JobSettings,
    *,
    reporter: Reporter,
    stop: StopFlag,
    resume_command: str,
    watch: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Run all jobs, each as soon as what it needs is there and a worker is free; earlier ones first.

    Args:
        jobs: by name.
        settings: what they share.
        reporter: told of every job, and of its progress.
        stop: set when a signal asks for a clean end.
        resume_command: the command that goes on after that.
        watch: called often; what it raises ends all jobs.

    Returns:
        The JSON object that each job wrote to stdout.

    Raises:
        RilctlError: a job failed; the others were stopped, and what they had done is on disk.
        InterruptedByUser: `stop` was set; likewise.
    """
    settings.logs.mkdir(parents=True, exist_ok=True)
    waiting = dict(jobs)
    running: dict[str, _Running] = {}
    results: dict[str, dict[str, Any]] = {}
    try:
        while waiting or running:
            check_stop(stop, resume_command)
            watch()
            for name in _startable(waiting, results, settings.workers - len(running)):
                job = waiting.pop(name).with_paths(results, settings.cwd)
                taken = {active.worker for active in running.values()}
                worker = next(place for place in range(settings.workers) if place not in taken)
                running[name] = _start(name, job, settings, worker, reporter)
            time.sleep(_POLL_S)
            for name, active in list(running.items()):
                if active.process.poll() is None:
                    _relay(name, active, settings.relay_s, reporter)
                else:
                    results[name] = _finish(name, running.pop(name), reporter)
    finally:
        _terminate(running, reporter)
    return results


def check_stop(stop: StopFlag, resume_command: str) -> None:
    """Raise `InterruptedByUser` if a signal asked for an end."""
    if stop.signal_number is not None:
        raise InterruptedByUser(stop.signal_number, resume_command)


def _startable(waiting: Mapping[str, Job], done: Mapping[str, Any], num_free: int) -> list[str]:
    return [name for name, job in waiting.items() if job.all_needs <= done.keys()][: max(0, num_free)]


def _start(name: str, job: Job, settings: JobSettings, worker: int, reporter: Reporter) -> _Running:
    reporter.say(f"{name}: {job.about}\n  {job.command}")
    log = new_log(settings.logs, name)
    output = log.with_suffix(".json")
    with log.open("wb") as stderr, output.open("wb") as stdout:
        process = subprocess.Popen(
            as_child([*settings.program, *job.arguments, "--json"], signal.SIGHUP),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=settings.cwd,
            env=settings.environment_of(worker),
            start_new_session=True,
        )
    return _Running(job, process, log, output, worker)


def _relay(name: str, active: _Running, every_s: float, reporter: Reporter) -> None:
    """Show a job's newest line now and then."""
    if time.monotonic() - active.relayed < every_s:
        return
    active.relayed = time.monotonic()
    lines = tail(active.log)
    if lines and lines[-1] != active.last_line:
        active.last_line = lines[-1]
        reporter.say(f"  {name}: {active.last_line}")


def _finish(name: str, active: _Running, reporter: Reporter) -> dict[str, Any]:
    code = active.process.returncode
    if code not in _EXIT_DONE:
        said = "\n  ".join(tail(active.log))
        ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        raise RilctlError(
            f"`{active.job.command}` failed ({ended}):\n  {said}", hint=f"all that it said is in {active.log}"
        )
    try:
        result = json.loads(active.output.read_bytes())
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise RilctlError(f"`{active.job.command} --json` wrote no JSON object", hint=f"see {active.log}")
    reporter.say(f"  {name}: done in {time.monotonic() - active.began:.0f} s")
    reporter.advance()
    return result


def new_log(folder: Path, name: str) -> Path:
    """An empty file `NAME.log`, or with a number where an earlier start has written one."""
    number, log = 1, folder / f"{name}.log"
    while True:
        try:
            log.open("xb").close()
        except FileExistsError:
            number += 1
            log = folder / f"{name}-{number}.log"
        else:
            return log


def tail(log: Path) -> Sequence[str]:
    """The last lines of a log, without empty ones."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:]


def _terminate(running: Mapping[str, _Running], reporter: Reporter) -> None:
    """Ask all processes to put their progress on disk and leave, and wait until they have."""
    if not running:
        return
    reporter.say(f"stopping {', '.join(running)}")
    for active in running.values():
        active.process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for active in running.values():
        try:
            active.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            active.process.kill()
            active.process.wait()
