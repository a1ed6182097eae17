"""Asking before something is done that can't be undone."""

import sys

import typer

from rilctl.errors import UsageError


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


def is_confirmed(question: str) -> bool:
    """What a person at the terminal answers; no, where they leave."""
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:  # Ctrl-C, or the end of the input
        return False
