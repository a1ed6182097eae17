"""The application: its commands, and what is wrong with a command line."""

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
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
    output,
    pipeline,
    rehearse,
    report,
    tracking,
    verbs,
    watch,
)
from rilctl.cli.hints import options_of
from rilctl.config.suggest import nearest
from rilctl.errors import UsageError

HELP = """Compact vision-language models as good as large ones, by reinforcement and imitation learning.

Each verb reads artifacts and writes an artifact; a recipe (TOML) has one table per verb.
The same command again resumes, or finds that all is up to date.
"""
EPILOG = """Exit codes: 0 done or up to date, 1 failed, or you said no, 2 usage or recipe, 3 done but some rows were
rejected, 4 credential missing, 5 input missing or corrupt, 6 locked by another writer, 129, 130 or 143 interrupted.
"""
_GUESS = re.compile(r"\s*(?:Did you mean '(?P<nearest>.*?)'.*\?|\(Possible options: .*\))\s*$")
"""Typer's: commands, the nearest first; options in the order of the alphabet, as like as two dashes make them."""
_NO_COMMAND = re.compile(r"No such command '(.*?)'")
_GIVEN_NOTHING = re.compile(r"--[a-z-]+=")
_UNEXPECTED = re.compile(r"got unexpected extra arguments?(?:\(s\))? \((?P<words>.*)\)")
_NOT_ONE_OF = re.compile(r"`(?P<word>[^`]*)` is not one of (?P<names>`.*`)")

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
        _refuse_odd_bytes(arguments)
        _refuse_empty(arguments)
        code = app(args=arguments or ["--help"], prog_name="rilctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        message, hint = _usage(error, arguments)
        output.error(message, hint=hint)
        return 2
    except Exception as error:
        return failures.show_error(error, with_traceback=shown_with_traceback)


def _refuse_odd_bytes(arguments: list[str]) -> None:
    """Names go into manifests, which are UTF-8; raises `UsageError` for one that can't."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"argument {argument!r} is not UTF-8 text", hint="rename the file or directory") from None


def _refuse_empty(arguments: Sequence[str]) -> None:
    """An empty path would be the current directory, which `artifacts rm` deletes; raises `UsageError`."""
    for before, argument in pairwise(["rilctl", *arguments]):
        if not argument or _GIVEN_NOTHING.fullmatch(argument):
            name = argument.rstrip("=") or before
            raise UsageError(
                f"what comes after `{name}` is empty",
                hint="leave it out, or say what is meant; a variable of the shell may be unset",
            )


def _usage(error: typer.TyperException, arguments: Sequence[str]) -> tuple[str, str]:
    """Typer's message in our form: lower case, no full stop, backticks; its nearest guess becomes the hint."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    hint = f"`{context.command_path if context else _command_in(arguments)} --help`"
    guess = _GUESS.search(message)
    message = message if guess is None else message[: guess.start()]
    meant = (guess and guess["nearest"]) or _meant_command(error) or _meant_option(error, arguments)
    hint = _as_key(error) or (f"did you mean `{meant}`?" if meant else hint)
    message = message.partition(", unable to parse")[0].replace("Input should be", "must be")
    message = message.replace("Value error, ", "").replace("'", "`").rstrip(". ")
    message = message[0].lower() + message[1:]
    if (unexpected := _UNEXPECTED.fullmatch(message)) is not None:
        message = f"nothing is expected after the others: `{unexpected['words']}`"
    if (choice := _NOT_ONE_OF.search(message)) is not None:
        close = nearest(choice["word"], re.findall(r"`([^`]*)`", choice["names"]))
        hint = f"did you mean `{close}`?" if close else hint
    return message, hint


def _command_in(arguments: Sequence[str]) -> str:
    """The command that a command line begins with, where its parser doesn't say it."""
    command, names = typer.main.get_command(app), ["rilctl"]
    for word in arguments:
        if (below := getattr(command, "commands", {}).get(word)) is None:
            break
        command = below
        names.append(word)
    return " ".join(names)


def _meant_command(error: typer.TyperException) -> str | None:
    """In other case, or the same one of a group: `artifacts push` where there is no `push`."""
    found, context = _NO_COMMAND.match(error.format_message()), getattr(error, "ctx", None)
    if found is None or context is None:
        return None
    elsewhere = [name for name in options_of(app) if name.rpartition(" ")[2] == found[1]]
    return nearest(found[1], context.command.commands) or "` or `".join(elsewhere)


def _meant_option(error: typer.TyperException, arguments: Sequence[str]) -> str | None:
    """Of a command's options, the one that was probably meant by one that it doesn't have; one dash counts as two."""
    option, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    if not hasattr(error, "possibilities") or context is None:
        return None
    if not option.startswith("--"):  # only its first letter is named
        option = next((word for word in arguments if word.startswith(option) and len(word) > 2), option)
    names = {name.lstrip("-"): name for each in context.command.params for name in each.opts if name.startswith("--")}
    meant = nearest(option.partition("=")[0].lstrip("-"), [*names, "help"])
    return names.get(meant, "--help") if meant else None


def _as_key(error: typer.TyperException) -> str:
    """Where an option that a verb doesn't have is the name of a key of its table: how that is set; else empty."""
    option, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    if not option or context is None or not any("--set" in each.opts for each in context.command.params):
        return ""
    from rilctl.config.keys import key_names

    name = option.lstrip("-").replace("-", "_")
    ends = (f".{name}", f".num_{name}")
    own = [key for key in key_names() if key.startswith(f"{context.info_name}.") and key.endswith(ends)]
    nearest = min(own, key=lambda key: (key.count("."), len(key)), default="")
    return f"a key of the recipe: `--set {nearest}=…`" if nearest else ""
