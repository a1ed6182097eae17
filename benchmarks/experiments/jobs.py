"""Makes the runs that are missing, several at once where asked, each in a process that does nothing else meanwhile."""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Protocol

from experiments import results as stored
from experiments.order import Task, missing_tasks
from experiments.results import Run
from experiments.rules import KEY, rules_now
from experiments.runs import Surroundings, arm_of, make_run, overlay_of, recipe_digest
from experiments.worlds import PLACES, SEEDS, TUNING_SEED, Place, rates_of
from rilctl import api
from rilctl.config.arms import Arm
from rilctl.errors import InterruptedByUser, RilctlError

ROOT = Path(__file__).resolve().parents[2]
_LOOK_S = 1.0
"""Between two looks at whether to stop."""


@dataclass(frozen=True)
class Job:
    """A run for a worker; what it says can be sent to another process."""

    place: str
    task: Task
    models: str = ""

    @property
    def shared(self) -> tuple[str, int]:
        """Runs of one kind of results on one seed share teacher answers and verdicts: the first one makes them."""
        return _place(self.place).results, self.task.seed


class Missing(Protocol):
    """Jobs that a place still has."""

    place: Place

    def jobs(self, number: int) -> Iterator[Job]:
        """Of one group of arms, in order; none as long as an earlier group tries rates."""
        ...


@dataclass
class _Queue:
    """What is missing in a place, and may be begun."""

    place: Place
    models: str
    failed: set[str] = field(default_factory=set)
    _digests: dict[Task, str] = field(default_factory=dict)

    @cached_property
    def _arms(self) -> Mapping[str, Arm]:
        return {name: arm_of(self.place, name) for name in self.place.arms if overlay_of(name).exists()}

    def _is_current(self, run: Run) -> bool:
        task = Task(run.arm, run.seed, run.rate)
        if task not in self._digests:
            self._digests[task] = recipe_digest(self.place, self._arms[run.arm], task, self.models)
        return run.recipe == self._digests[task]

    def jobs(self, number: int) -> Iterator[Job]:
        """See `Missing`."""
        known = stored.read(self.place.results)
        for group in self.place.groups[: number + 1]:
            rates = {
                arm: rates_of(arm, self._arms[arm].table.verbs)
                for arm in group
                if arm in self._arms and arm not in self.failed
            }
            tasks = list(missing_tasks(self.place, group, rates, known, self._is_current))
            if group is self.place.groups[number]:
                yield from (Job(self.place.name, task, self.models) for task in tasks)
            elif any(task.is_trial for task in tasks):
                return


def run_all(places: Sequence[Place], work: Path, *, hours: float, num_jobs: int) -> None:
    """Make missing runs until there are none, time is up, or a signal comes; each is written down once it is made.

    Args:
        places: of the comparisons.
        work: folder of artifacts.
        hours: no run is begun after so many.
        num_jobs: runs that are made at once, each of which takes a core.
    """
    stop = api.StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: setattr(stop, "signal_number", number))
    work.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 3600 * hours
    try:
        queues = [_Queue(place, _prepared(place, work, stop)) for place in places]
    except InterruptedByUser:
        return
    surroundings = (work.resolve(), commit(), versions())
    under_way: dict[Future[tuple[Run, str]], Job] = {}
    made: set[tuple[str, int]] = set()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_jobs, spawn, _begin_worker, surroundings) as pool:
        while stop.signal_number is None:
            while len(under_way) < num_jobs and time.monotonic() < ends:
                job = next_job(queues, list(under_way.values()), made)
                if job is None:
                    break
                under_way[pool.submit(_work, job)] = job
            if not under_way:
                return
            for future in wait(under_way, _LOOK_S, FIRST_COMPLETED).done:
                job = under_way.pop(future)
                made.add(job.shared)
                _write_down(future, job, next(queue for queue in queues if queue.place.name == job.place))
        for child in multiprocessing.active_children():
            child.kill()  # half a run is no use to anybody


def _prepared(place: Place, work: Path, stop: api.StopFlag) -> str:
    """A digest of the models that were made for the place's world; empty where they ship."""
    prepare = place.world.prepare
    return "" if prepare is None else prepare(work, (*SEEDS, TUNING_SEED), stop)


def next_job(queues: Sequence[Missing], under_way: Sequence[Job], made: set[tuple[str, int]]) -> Job | None:
    """The first that can be begun beside those; a group of arms comes in all places before the next one in any."""
    same_folder = {(job.shared, job.task.arm) for job in under_way}
    shared_now = {job.shared for job in under_way} - made
    for number in range(max(len(queue.place.groups) for queue in queues)):
        for queue in queues:
            for job in queue.jobs(number) if number < len(queue.place.groups) else ():
                if (job.shared, job.task.arm) not in same_folder and job.shared not in shared_now:
                    return job
    return None


def _write_down(future: "Future[tuple[Run, str]]", job: Job, queue: _Queue) -> None:
    try:
        run, questions = future.result()
    except RilctlError as error:  # the others can be made all the same
        print(f"{job.place}: {job.task.arm} failed: {error.message}", file=sys.stderr, flush=True)
        queue.failed.add(job.task.arm)
        return
    stored.write(stored.read(queue.place.results).with_run(run).with_questions(questions))
    print(f"{job.place}: {_line(run)}", file=sys.stderr, flush=True)


_surroundings: Surroundings
"""A worker's."""


def _begin_worker(work: Path, commit: str, versions: Mapping[str, str]) -> None:
    global _surroundings
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # may be sent to all; the parent ends its workers
        signal.signal(number, signal.SIG_IGN)
    _surroundings = Surroundings(work, api.StopFlag(), api.SilentReporter(), commit, versions)


def _work(job: Job) -> tuple[Run, str]:
    place = _place(job.place)
    return make_run(place, arm_of(place, job.task.arm), job.task, _surroundings, job.models)


def _place(name: str) -> Place:
    return next(place for place in PLACES if place.name == name)


def _line(run: Run) -> str:
    rate = "" if run.rate is None else f" at {run.rate:g}"
    right = "" if run.right is None else f", test {sum(run.correct) / run.num_questions:.1%}"
    seen = "" if run.validation is None else f", validation {run.validation:.1%}"
    return f"{run.arm} seed {run.seed}{rate}: {run.cpu_s:.0f} s, {run.num_tokens:,} tokens{seen}{right}"


def versions() -> Mapping[str, str]:
    """Of what computes, and of the rules that judge."""
    libraries = {name: version(name) for name in ("rilctl", "torch", "transformers")}
    return {"python": python_version(), **libraries, KEY: rules_now()}


def commit() -> str:
    """Of the repository; ends in `+` where files that runs depend on were changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "recipes", "benchmarks/experiments")
    ours = [line for line in changed.splitlines() if "experiments/results/" not in line]
    return git("rev-parse", "--short=10", "HEAD").strip() + ("+" if ours else "")
