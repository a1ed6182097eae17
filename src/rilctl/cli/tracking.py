"""`tracking sync`."""

from pathlib import Path
from typing import Annotated

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json

app = typer.Typer(help="Mirror runs to trackers.", rich_markup_mode=None)


@app.callback()
def _only() -> None:
    """One command is a group as well."""


@app.command()
def sync(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's output directory, in whatever state.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME", help="A tracker; several times for several. Absent: those of its recipe."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Send all as another run, whatever the tracker has been sent before.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send a tracker what it lacks of a run.

    Steps, rollouts and artifacts are read from the run's directory; what was sent before isn't sent again. So it goes
    on where a tracker has failed or the process was killed, and a run that never had a tracker gets one.
    """
    from rilctl.artifacts.layout import naming
    from rilctl.reporting.syncing import sync_run

    output.own_stdout()
    with naming(run):
        done = sync_run(run, to or (), anew=anew, warn=output.warn)
    if as_json:
        output.result_json({"trackers": [{"name": each.name, "num_steps": each.num_steps} for each in done]})
        return
    for each in done:
        output.result(f"{each.name}: {each.num_steps} steps sent" if each.num_steps else f"{each.name}: up to date")
