"""Run what is missing, and render docs/results.md.

    python -m experiments [--hours H] [--only PLACE ...] [--work DIR]     run from the folder benchmarks
    python -m experiments --render | --check

Ctrl-C, SIGTERM, a kill or a power cut lose the one run that is under way, a minute or so. What is done stands in
results/*.json, a file for each world in each regime, and is not done again unless what its recipes say has changed.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from experiments import results as stored
from experiments.order import Task, next_task
from experiments.results import Run
from experiments.runs import Surroundings, arm_of, make_run, overlay_of, recipe_digest
from experiments.worlds import PLACES, SEEDS, TUNING_SEED, Place, rates_of
from rilctl import api
from rilctl.errors import InterruptedByUser, RilctlError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Parse, run, render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=12.0, help="begin no run after so many")
    parser.add_argument("--only", nargs="+", metavar="PLACE", choices=[place.name for place in PLACES])
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "experiments", help="folder of artifacts")
    parser.add_argument("--render", action="store_true", help="write the page from the results, run nothing")
    parser.add_argument("--check", action="store_true", help="fail if the page isn't what the results say")
    arguments = parser.parse_args()
    from experiments.page import check_page, write_page

    if arguments.check:
        return check_page()
    if not arguments.render:
        run_all([p for p in PLACES if arguments.only is None or p.name in arguments.only], arguments)
    write_page()
    return 0


def run_all(places: Sequence[Place], arguments: argparse.Namespace) -> None:
    """Make one missing run after the other until there is none, time is up, or a signal comes."""
    stop = api.StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: setattr(stop, "signal_number", number))
    arguments.work.mkdir(parents=True, exist_ok=True)
    around = Surroundings(arguments.work.resolve(), stop, api.SilentReporter(), _commit(), _versions())
    ends = time.monotonic() + 3600 * arguments.hours
    for group in range(max(len(place.groups) for place in places)):
        for place in places:
            if time.monotonic() >= ends or stop.signal_number is not None:
                return
            try:
                run_group(place, group, around, ends)
            except InterruptedByUser:
                return


def run_group(place: Place, number: int, around: Surroundings, ends: float) -> None:
    """All runs of one group of arms of a world in a regime, each written down as soon as it is made."""
    if number >= len(place.groups):
        return
    if place.world.prepare is not None:
        models = place.world.prepare(around.work, (*SEEDS, TUNING_SEED), around.stop)
        around = replace(around, models=models)
    group = place.groups[number]
    arms = {name: arm_of(place, name) for name in group if overlay_of(name).exists()}
    rates = {name: rates_of(name, arm.table.verbs) for name, arm in arms.items()}

    def is_current(run: Run) -> bool:
        return run.recipe == recipe_digest(place, arms[run.arm], Task(run.arm, run.seed, run.rate), around.models)

    while time.monotonic() < ends and around.stop.signal_number is None:
        known = stored.read(place.results)
        task = next_task(place, group, rates, known, is_current)
        if task is None:
            return
        try:
            run, questions = make_run(place, arms[task.arm], task, around)
        except InterruptedByUser:
            raise
        except RilctlError as error:  # the others can be run all the same
            print(f"{place.name}: {task.arm} failed: {error.message}", file=sys.stderr, flush=True)
            del rates[task.arm]
            continue
        stored.write(known.with_run(run).with_questions(questions))
        print(f"{place.name}: {_line(run)}", file=sys.stderr, flush=True)


def _line(run: Run) -> str:
    rate = "" if run.rate is None else f" at {run.rate:g}"
    right = "" if run.right is None else f", test {sum(run.correct) / run.num_questions:.1%}"
    seen = "" if run.validation is None else f", validation {run.validation:.1%}"
    return f"{run.arm} seed {run.seed}{rate}: {run.cpu_s:.0f} s, {run.num_tokens:,} tokens{seen}{right}"


def _versions() -> Mapping[str, str]:
    return {"python": python_version(), **{name: version(name) for name in ("rilctl", "torch", "transformers")}}


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "recipes", "benchmarks/experiments")
    ours = [line for line in changed.splitlines() if "experiments/results/" not in line]
    return git("rev-parse", "--short=10", "HEAD").strip() + ("+" if ours else "")


if __name__ == "__main__":
    sys.exit(main())
