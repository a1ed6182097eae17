"""The command reference as Markdown: every command's `--help` at a fixed width."""

import contextlib
import io
import os
from collections.abc import Iterator

import typer

from rilctl.cli.app import app

_WIDTH = 80


def render() -> str:
    """One section for the program and each of its commands."""
    sections = ["# Command reference"]
    for command in commands(app):
        sections.append(f"## `{' '.join(('rilctl', *command))}`\n\n```text\n{help_text(command)}```")
    return "\n\n".join(sections) + "\n"


def commands(group: typer.Typer, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, a group before its members."""
    yield prefix
    for command in group.registered_commands:
        yield (*prefix, str(command.name or getattr(command.callback, "__name__", "?")))
    for member in group.registered_groups:
        if isinstance(member.typer_instance, typer.Typer):
            yield from commands(member.typer_instance, (*prefix, str(member.name)))


def help_text(command: tuple[str, ...]) -> str:
    """What `rilctl COMMAND --help` prints on a terminal of 80 columns."""
    captured = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(_WIDTH)
    try:
        with contextlib.redirect_stdout(captured):
            app(args=[*command, "--help"], prog_name="rilctl", standalone_mode=False)
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return captured.getvalue()
