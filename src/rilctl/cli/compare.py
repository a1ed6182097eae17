"""`compare`: arms of one recipe side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, DryRun, Json, Overrides, Recipes, split_names
from rilctl.errors import UsageError

if TYPE_CHECKING:
    from rilctl.schemas.comparison import ComparisonReport


def compare(
    recipes: Recipes = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms", metavar="A,B,…", help="Shipped arms by name, your own by path; default: the usual ones."
        ),
    ] = None,
    overrides: Overrides = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="tokens=N|steps=N", help="How long every arm trains.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, metavar="K", help="Students of each arm.")] = 1,
    pilot: Annotated[
        int | None, typer.Option("--pilot", min=1, metavar="N", help="Use at most N of the questions.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", help="Commands at once; default: one for each GPU."),
    ] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Compare ways of training on your questions.

    From one teacher cache, one set of verdicts and one student, at equal response tokens: accuracies, paired
    differences, seconds, and which way to go. `--pilot 500` before days of GPUs.
    """
    import os
    import shlex
    import sys

    from rilctl.cli.runner import read_recipe, stage_surroundings
    from rilctl.pipeline.comparison.dry_run import plan_comparison
    from rilctl.pipeline.comparison.run import run_comparison
    from rilctl.pipeline.comparison.setup import DEFAULT_ARMS, make_comparison, parse_budget
    from rilctl.pipeline.comparison.workers import job_settings

    _refuse_arms(recipes or (), arms)
    paths, _ = read_recipe(recipes, overrides, {})
    comparison = make_comparison(
        paths,
        overrides or (),
        arms=DEFAULT_ARMS if arms is None else split_names(arms, "--arms base,sft-right,ril"),
        num_seeds=seeds,
        budget=None if budget is None else parse_budget(budget),
        pilot=pilot,
    )
    settings = job_settings(jobs, Path.cwd() / comparison.folder / "logs", Path.cwd(), os.environ)
    if dry_run:
        plan = plan_comparison(comparison, settings)
        if as_json:
            output.result_json(plan.as_object())
        else:
            output.result(*plan.lines())
        return
    with stage_surroundings() as (reporter, stop):
        resume_command = shlex.join(["rilctl", *sys.argv[1:]])
        report = run_comparison(comparison, settings, reporter=reporter, stop=stop, resume_command=resume_command)
    show(report, as_json=as_json)


def _refuse_arms(recipes: Sequence[Path], arms: str | None) -> None:
    """Names of arms that stand where recipes do, as after `--arms ril sft-right`. Raises `UsageError`."""
    from rilctl.config.arms import shipped_arms

    found = [str(path) for path in recipes if str(path) in shipped_arms() and not path.exists()]
    if found:
        every = ",".join([*([arms] if arms else []), *found])
        raise UsageError(
            f"`{found[0]}` is an arm, not a recipe", hint=f"arms stand together, with commas: `--arms {every}`"
        )


def show(report: "ComparisonReport", *, as_json: bool) -> None:
    """The table and the advice for a person; the page's path or the report to stdout."""
    from rilctl.reporting.tables import HEADER, arm_cells

    output.table(HEADER, arm_cells(report.arms))
    output.say(report.advice)
    if as_json:
        found: dict[str, Any] = report.model_dump(mode="json")
        output.result_json(found)
    else:
        output.result_exact(str(report.artifacts["report"]))
