"""Runs one verb: recipe, context, signals, stdout, result, exit code."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rilctl.cli import output, rejected
from rilctl.cli.failures import fail_now
from rilctl.cli.hosts import num_processes
from rilctl.cli.interrupts import work_is_over
from rilctl.cli.launch import check_engine, launch
from rilctl.cli.launched import is_launched, watch_for_stop
from rilctl.cli.plans import show_plans
from rilctl.cli.signals import stop_on_signals
from rilctl.config.layers import DEFAULT_RECIPE, default_recipes, recipe_name
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe, Verb
from rilctl.engines.training.world import World, find_world
from rilctl.errors import UsageError
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import Plan, plan_object
from rilctl.private.deepspeed import hush_log
from rilctl.reporting import format
from rilctl.stages.shared.context import StageContext, StageResult, StopFlag

RANKED: frozenset[Verb] = frozenset({"sft", "pretrain-disc", "train"})
"""Verbs that several processes can do together."""
REJECTED_EXIT_CODE = 3
"""The work is done, and some rows could not be used."""


def run_verb(
    verb: Verb,
    recipes: Sequence[Path] | None,
    overrides: Sequence[str] | None,
    flags: Mapping[str, JsonValue],
    *,
    out: Path | None,
    as_json: bool,
    dry_run: bool,
    gpus: int | None = None,
    hostfile: Path | None = None,
    retry_rejected: bool = False,
) -> int:
    """Run or plan one verb and write its result to stdout; with `gpus` or `hostfile`, on several processes.

    Returns:
        The exit code: 0, or 3 if rows were rejected.
    """
    world = find_world(os.environ) if verb in RANKED else World()
    output.speak_for(world.rank)
    if world.size > 1:  # else the backend's own account of a rank that is gone comes first, stack and all
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    are_several = bool(gpus or hostfile) and not is_launched()
    if are_several and dry_run:
        flags = {**flags, "plan.num_gpus": num_processes(gpus, hostfile)}
    paths, recipe = read_recipe(recipes, overrides, flags)
    if are_several and dry_run:
        check_engine(verb, recipe)
    if are_several and not dry_run:
        if world.address is not None:
            raise UsageError(
                f"this process is one of {world.size} already, and --gpus would start more",
                hint="leave --gpus and --hostfile out under torchrun or Slurm",
            )
        return launch(verb, recipe, gpus=gpus, hostfile=hostfile)
    # The stage's imports may print as well.
    with stage_surroundings(reads_stdin=verb == "judge" and judges_stdin(recipe)) as (reporter, stop):
        stage = load_stage(verb)
        plain = context_maker(paths, recipe, reporter, stop, out=out)(verb)
        context = replace(plain, world=world, leave=fail_now, retry_rejected=retry_rejected)
        if dry_run:
            plan = stage.plan(context)
        else:
            began = time.monotonic()
            result = stage.run(context)
            seconds = time.monotonic() - began
    if dry_run:
        if as_json:
            output.result_json(plan_object(plan))
        else:
            show_plans([plan])
        return exit_code(plan)
    if world.rank > 0:
        return 0
    show_summary(verb, result, seconds)
    if as_json:
        output.result_json(result_object(verb, result, seconds))
    else:
        if text := main_path(result):
            output.result_exact(text)
    return exit_code(result)


def read_recipe(
    recipes: Sequence[Path] | None, overrides: Sequence[str] | None, flags: Mapping[str, JsonValue]
) -> tuple[tuple[Path, ...], Recipe]:
    """The recipe files that were picked, said on stderr where nobody named them, and the validated recipe."""
    paths = default_recipes(recipes or ())
    recipe = load_recipe(paths, overrides or (), flags)
    if not recipes:
        output.say(f"recipe: {paths[0]}" if paths else f"recipe: none named and no {DEFAULT_RECIPE} here, so defaults")
    return paths, recipe


def context_maker(
    paths: Sequence[Path],
    recipe: Recipe,
    reporter: output.ConsoleReporter,
    stop: StopFlag,
    *,
    out: Path | None = None,
) -> Callable[[Verb], StageContext]:
    """Makes a verb's context; the output goes to `out`, or else to `<root>/<recipe>/<verb>`."""
    base_dir, name, planned = Path.cwd(), recipe_name(paths), dict[str, Any]()

    def make(verb: Verb) -> StageContext:
        reporter.has_begun = False
        return StageContext(
            recipe=recipe.seen_by(verb),
            recipe_name=name,
            base_dir=base_dir,
            out=base_dir / (out or Path(recipe.workspace.root) / name / verb),
            reporter=reporter,
            resume_command=shlex.join(["rilctl", *sys.argv[1:]]),
            stop=stop,
            planned=planned,
        )

    return make


@contextlib.contextmanager
def stage_surroundings(*, reads_stdin: bool = False) -> Iterator[tuple[output.ConsoleReporter, StopFlag]]:
    """Inside, stages may run: stdout is ours, signals ask for a clean end, and no bar outlives an error.

    It is the last thing that a process does, but for saying how it went.

    Args:
        reads_stdin: what comes there is rows; else nobody may read it.
    """
    reporter, stop = output.ConsoleReporter(), StopFlag()
    output.own_stdout()
    if not reads_stdin:
        output.close_stdin()
    hush_log()
    watch_for_stop(stop, has_begun=lambda: reporter.has_begun)
    with stop_on_signals(stop, has_begun=lambda: reporter.has_begun, says_so=not is_launched()):
        try:
            yield reporter, stop
        finally:
            reporter.end()
            work_is_over()


def judges_stdin(recipe: Recipe) -> bool:
    """Whether `judge` reads rows from stdin."""
    return recipe.judge is not None and recipe.judge.source == "-"


def show_summary(verb: str, result: StageResult, seconds: float | None = None) -> None:
    """Tell a person how it ended, on stderr."""
    took = "" if seconds is None else f" in {format.duration(seconds)}"
    output.say(f"{verb}: up to date" if result.up_to_date else f"{verb}: done{took}")
    output.pairs(result.summary)
    for role, artifact in result.outputs.items():
        output.say(f"  {role}: {artifact.path}")
    if result.num_rejected:
        output.warn(rejected.told(verb, result))


def result_object(verb: str, result: StageResult, seconds: float | None = None) -> dict[str, Any]:
    """What `--json` says of a verb; `seconds` is left out where it was not measured."""
    return {
        "verb": verb,
        "status": "up-to-date" if result.up_to_date else "done",
        **({} if seconds is None else {"seconds": round(seconds, 3)}),
        "outputs": {role: artifact.model_dump(mode="json") for role, artifact in result.outputs.items()},
        "num_rejected": result.num_rejected,
        "summary": result.summary,
        **({"files": list(result.files)} if result.files else {}),
        **({"figures": result.figures} if result.figures else {}),
    }


def main_path(result: StageResult) -> str:
    """The path of the first output; where a verb made none, the files that it wrote, one a line."""
    return next((artifact.path for artifact in result.outputs.values()), "\n".join(result.files))


def exit_code(*outcomes: StageResult | Plan) -> int:
    """3 if any of the results or plans that were made just now lacks rows; what is up to date has said so before."""
    is_new = [outcome for outcome in outcomes if isinstance(outcome, Plan) or not outcome.up_to_date]
    lacks = (each.num_rejected or (isinstance(each, StageResult) and each.is_lacking) for each in is_new)
    return REJECTED_EXIT_CODE if any(lacks) else 0
