"""Asking before something is done that can't be undone."""

import sys

import typer

from rilctl.cli import output
from rilctl.errors import UsageError

DECLINED_EXIT_CODE = 1
"""What was asked for wasn't done; a script that goes on after it would be mistaken."""


def check_asking(*, yes: bool, dry_run: bool, as_json: bool, does: str, shown: str) -> None:
    """Raise `UsageError` where `--yes` and `--dry-run` contradict one another, or nobody can be asked.

    Args:
        yes: nobody is asked.
        dry_run: nothing is done.
        as_json: a program reads the output.
        does: what `--yes` does, such as `deletes`.
        shown: what `--dry-run` shows, such as `what would go`.
    """
    if yes and dry_run:
        raise UsageError(f"`--yes` {does} and `--dry-run` does not", hint="leave one of them out")
    if not (yes or dry_run) and (as_json or not sys.stdin.isatty()):
        reason = "`--json` asks nobody" if as_json else "there is no terminal to ask at"
        raise UsageError(reason, hint=f"`--dry-run` shows {shown}, `--yes` {does} it without asking")


def confirm(question: str, *, otherwise: str) -> None:
    """Ask a person at the terminal; who says no, or leaves, ends the command with exit code 1.

    Args:
        question: ends in a question mark.
        otherwise: what is said then, such as `nothing was deleted`.
    """
    try:
        is_confirmed = typer.confirm(question, default=False, err=True)
    except typer.Abort:  # Ctrl-C, or the end of the input
        is_confirmed = False
    if not is_confirmed:
        output.say(otherwise)
        raise typer.Exit(DECLINED_EXIT_CODE)
