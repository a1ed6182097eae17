"""`run` and `quickstart`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, DryRun, Json, Overrides, Recipes
from rilctl.errors import RilctlError


def run(
    recipes: Recipes = None,
    overrides: Overrides = None,
    as_json: Json = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Walk all verbs that a recipe has a table for.

    What is up to date is skipped; an error ends the walk, and the same command goes on from there.
    """
    from rilctl.cli import runner
    from rilctl.cli.plans import show_plans
    from rilctl.pipeline.run import run_pipeline
    from rilctl.planning.plan import Plan, plan_object
    from rilctl.stages.shared.context import StageResult

    paths, recipe = runner.read_recipe(recipes, overrides, {})
    with runner.stage_surroundings(reads_stdin=runner.judges_stdin(recipe)) as (reporter, stop):
        make = runner.context_maker(paths, recipe, reporter, stop)
        outcomes = run_pipeline(recipe, make, dry_run=dry_run, mind=_with_own_options)
    if dry_run:
        plans = [plan for plan in outcomes.values() if isinstance(plan, Plan)]
        if as_json:
            output.result_json({"verb": "run", "plans": [plan_object(plan) for plan in plans]})
        else:
            show_plans(plans)
        raise typer.Exit(runner.exit_code(*plans))
    results = {verb: result for verb, result in outcomes.items() if isinstance(result, StageResult)}
    for verb, result in results.items():
        runner.show_summary(verb, result)
    if as_json:
        stages: dict[str, Any] = {verb: runner.result_object(verb, result) for verb, result in results.items()}
        output.result_json({"verb": "run", "stages": stages})
    else:
        output.result_exact("\n".join(runner.main_path(result) for result in results.values()))
    raise typer.Exit(runner.exit_code(*results.values()))


def quickstart(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Workspace root.")] = Path("runs"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of training questions, sampling and order.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try everything on pictures of handwritten digits.

    All six verbs on a CPU: `rilctl compare` on a small world that ships with rilctl.
    """
    from rilctl.cli.compare import show
    from rilctl.cli.runner import stage_surroundings
    from rilctl.pipeline.quickstart import run_quickstart

    with stage_surroundings() as (reporter, stop):
        report = run_quickstart(root=out, reporter=reporter, stop=stop, seed=seed)
    show(report, as_json=as_json)


def _with_own_options(verb: str, error: RilctlError) -> None:
    """A verb's error says whose the options are that it names."""
    from rilctl.cli.app import app
    from rilctl.cli.hints import options_of, said_by

    if error.hint is not None:
        error.hint = said_by(error.hint, command="run", verb=verb, options=options_of(app))
