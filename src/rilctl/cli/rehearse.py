"""`rehearse`: a recipe's layout on this machine, small."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json, Overrides, Recipes

if TYPE_CHECKING:
    from rilctl.pipeline.rehearsal.report import RehearsalReport


def rehearse(
    recipes: Recipes = None,
    overrides: Overrides = None,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", min=1, metavar="N", help="Training processes; default: the recipe's, or what fits."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Work folder; default: <root>/rehearsal/<recipe>.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run all processes of a recipe small, on this machine.

    Before GPUs are booked: small random models of the same architectures, a few rows, the same servers, ports, flags
    and ranks; all verbs, and the same commands again. Says what that can't show.
    """
    import shlex
    import sys

    from rilctl.cli.runner import read_recipe, stage_surroundings
    from rilctl.config.layers import recipe_name
    from rilctl.pipeline.rehearsal.walk import rehearse as run

    paths, recipe = read_recipe(recipes, overrides, {})
    name = recipe_name(paths)
    with stage_surroundings() as (reporter, stop):
        report = run(
            recipe,
            name,
            Path.cwd() / (out or Path(recipe.workspace.root) / "rehearsal" / name),
            base_dir=Path.cwd(),
            gpus=gpus,
            reporter=reporter,
            stop=stop,
            resume_command=shlex.join(["rilctl", *sys.argv[1:]]),
        )
    _show(report)
    if as_json:
        output.result_json(report.model_dump(mode="json"))
    else:
        output.result_exact(report.folder)


def _show(report: "RehearsalReport") -> None:
    rows = [[row.verb, str(row.processes), f"{row.rows:,}", f"{row.seconds:.0f}", row.again] for row in report.verbs]
    output.table(["verb", "processes", "rows", "seconds", "the same command again"], rows)
    for title, lines in (
        ("proven", report.proven),
        ("replaced", report.replaced),
        ("not proven", report.not_proven),
    ):
        output.say(f"{title}:")
        for line in lines:
            output.say(f"  {line}")
