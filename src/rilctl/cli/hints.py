"""A verb's hint names the verb's options; said by a command that walks verbs, it says whose they are."""

import re
from collections.abc import Iterator, Mapping

import typer

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def options_in(text: str) -> list[str]:
    """The options that a text names, each once."""
    return list(dict.fromkeys(_OPTION.findall(text)))


def options_of(app: typer.Typer) -> Mapping[str, frozenset[str]]:
    """The options of every command, by its name: `train`, `artifacts`, `artifacts rm`."""
    return dict(_options_below(typer.main.get_command(app), ()))


def _options_below(group: object, names: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    commands: Mapping[str, typer.core.TyperCommand] = getattr(group, "commands", {})
    for name, command in commands.items():
        options = frozenset(option for parameter in command.params for option in parameter.opts)
        yield " ".join([*names, name]), options | {"--help"}
        yield from _options_below(command, (*names, name))


def said_by(hint: str, *, command: str, verb: str, options: Mapping[str, frozenset[str]]) -> str:
    """The hint of a verb, where a command that walks verbs says it.

    Args:
        hint: as the verb says it.
        command: what was typed, such as `run`.
        verb: which of its verbs failed.
        options: of every command.
    """
    lacking = [name for name in options_in(hint) if name in options[verb] - options[command]]
    if not lacking:
        return hint
    named = ", ".join(f"`{name}`" for name in lacking)
    are = "is an option" if len(lacking) == 1 else "are options"
    return f"{hint}; {named} {are} of `rilctl {verb}`, not of `rilctl {command}`"
