"""What is wrong with a command line, and what was probably meant."""

import re
from collections.abc import Sequence
from itertools import pairwise

import typer

from rilctl.cli.hints import options_of
from rilctl.config.suggest import nearest
from rilctl.errors import UsageError

_GUESS = re.compile(r"\s*(?:Did you mean '(?P<nearest>.*?)'.*\?|\(Possible options: .*\))\s*$")
"""Typer's: commands, the nearest first; options in the order of the alphabet, as like as two dashes make them."""
_NO_COMMAND = re.compile(r"No such command '(.*?)'")
_GIVEN_NOTHING = re.compile(r"--[a-z-]+=")
_UNEXPECTED = re.compile(r"got unexpected extra arguments?(?:\(s\))? \((?P<words>.*)\)")
_NOT_ONE_OF = re.compile(r"`(?P<word>[^`]*)` is not one of (?P<names>`.*`)")


def refuse_unusable(arguments: Sequence[str]) -> None:
    """Raise `UsageError` for an argument that no command can take.

    Names go into manifests, which are UTF-8; and an empty path would be the current directory, which `artifacts rm`
    deletes.
    """
    for before, argument in pairwise(["rilctl", *arguments]):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"argument {argument!r} is not UTF-8 text", hint="rename the file or directory") from None
        if not argument or _GIVEN_NOTHING.fullmatch(argument):
            name = argument.rstrip("=") or before
            raise UsageError(
                f"what comes after `{name}` is empty",
                hint="leave it out, or say what is meant; a variable of the shell may be unset",
            )


def explained(error: typer.TyperException, arguments: Sequence[str], app: typer.Typer) -> tuple[str, str]:
    """Typer's message and a hint in our form: lower case, no full stop, backticks.

    Args:
        error: what it raised.
        arguments: the command line.
        app: with all commands.
    """
    message, context = error.format_message(), getattr(error, "ctx", None)
    hint = f"`{context.command_path if context else _command_in(arguments, app)} --help`"
    guess = _GUESS.search(message)
    message = message if guess is None else message[: guess.start()]
    meant = (guess and guess["nearest"]) or _meant_command(error, app) or _meant_option(error, arguments)
    hint = _as_key(error) or _after_command(error, arguments, app) or (f"did you mean `{meant}`?" if meant else hint)
    message = message.partition(", unable to parse")[0].replace("Input should be", "must be")
    message = message.replace("Value error, ", "").replace("'", "`").rstrip(". ")
    message = message[0].lower() + message[1:]
    if (unexpected := _UNEXPECTED.fullmatch(message)) is not None:
        message = f"nothing is expected after the others: `{unexpected['words']}`"
    if (choice := _NOT_ONE_OF.search(message)) is not None:
        close = nearest(choice["word"], re.findall(r"`([^`]*)`", choice["names"]))
        hint = f"did you mean `{close}`?" if close else hint
    return message, hint


def _command_in(arguments: Sequence[str], app: typer.Typer) -> str:
    """The command that a command line names, where its parser doesn't say it; what else stands before it is skipped."""
    command, names = typer.main.get_command(app), ["rilctl"]
    for word in arguments:
        if (below := getattr(command, "commands", {}).get(word)) is not None:
            command = below
            names.append(word)
    return " ".join(names)


def _meant_command(error: typer.TyperException, app: typer.Typer) -> str | None:
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


def _after_command(error: typer.TyperException, arguments: Sequence[str], app: typer.Typer) -> str:
    """Where an option of a command stands before it: where it belongs; else empty."""
    option, command = getattr(error, "option_name", ""), _command_in(arguments, app)
    is_known = option in options_of(app).get(command.removeprefix("rilctl "), ())
    context = getattr(error, "ctx", None)
    is_before = context is not None and context.command_path != command
    return f"it comes after the command: `{command} {option}`" if is_known and is_before else ""


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
