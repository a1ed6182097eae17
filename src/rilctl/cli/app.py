"""The application: its commands, and how one command line is run."""

import sys
from typing import Annotated

import typer

from rilctl import __version__
from rilctl.cli import (
    artifacts,
    ask,
    compare,
    config,
    data,
    diff,
    doctor,
    failures,
    keys,
    mistakes,
    output,
    pipeline,
    rehearse,
    report,
    tracking,
    verbs,
    watch,
)

HELP = """Compact vision-language models as good as large ones, by reinforcement and imitation learning.

Each verb reads artifacts and writes an artifact; a recipe (TOML) has one table per verb.
The same command again resumes, or finds that all is up to date.
"""
EPILOG = """Exit codes: 0 done or up to date, 1 failed, or you said no, 2 usage or recipe, 3 done but some rows were
rejected, 4 credential missing, 5 input missing or corrupt, 6 locked by another writer, 129, 130 or 143 interrupted.
"""

app = typer.Typer(help=HELP, epilog=EPILOG, rich_markup_mode=None)
app.command("cache-teacher")(verbs.cache_teacher)
app.command("judge")(verbs.judge)
app.command("sft")(verbs.sft)
app.command("pretrain-disc")(verbs.pretrain_disc)
app.command("train")(verbs.train)
app.command("eval")(verbs.evaluate)
app.command("run")(pipeline.run)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("rehearse")(rehearse.rehearse)
app.command("quickstart")(pipeline.quickstart)
app.command("doctor")(doctor.doctor)
app.command("ask")(ask.ask)
app.command("watch")(watch.watch)
app.command("diff")(diff.diff)
app.command("help")(keys.help_on)
app.add_typer(data.app, name="data")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(tracking.app, name="tracking")
app.add_typer(config.app, name="config")


def _show_version(asked: bool) -> None:
    if asked:
        output.result(f"rilctl {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line of this process and exit with its code."""
    output.ensure_standard_streams()
    failures.leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; every error is shown here.

    Args:
        arguments: without the program's name; none asks for help.

    Returns:
        The exit code.
    """
    shown_with_traceback = "--debug" in arguments
    try:
        mistakes.refuse_unusable(arguments)
        code = app(args=arguments or ["--help"], prog_name="rilctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        message, hint = mistakes.explained(error, arguments, app)
        output.error(message, hint=hint)
        return 2
    except Exception as error:
        return failures.show_error(error, with_traceback=shown_with_traceback)
