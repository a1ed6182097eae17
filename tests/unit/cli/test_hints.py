"""A hint names options that the command has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rilctl
from rilctl.cli.app import app
from rilctl.cli.hints import options_in, options_of, said_by
from rilctl.config.recipe import VERBS

SOURCES = Path(rilctl.__file__).parent
OPTIONS = options_of(app)
_OTHERS = re.compile(
    r"`(?:hf|pip|vllm|transformers|python) [^`]*`|"
    r"(?:a server needs|start (?:it|the server) with(?:out)?) `[^`]*`"
)
"""Commands of others, and their options."""
_ROOMS = {("engines", "evaluation"): "eval", ("pipeline", "rehearsal"): "rehearse"}
"""Rooms of one command alone."""
_COMMAND = re.compile(r"`rilctl ([a-z-]+)( [a-z-]+)?")


def hints(path: Path) -> Iterator[str]:
    """The constant text of every `hint=` and of what is called a hint in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "hint":
            yield _text(node.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [getattr(target, "id", getattr(target, "attr", "")) for target in targets]
            if node.value is not None and any("hint" in name.lower() for name in names):
                yield _text(node.value)


def _text(node: ast.expr) -> str:
    return "".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def commands_for(path: Path, hint: str) -> list[str]:
    """Those that may say a hint: the one that it names, the file's verb, else each verb or command of the file."""
    named = [name + sub if name + sub in OPTIONS else name for name, sub in _COMMAND.findall(hint) if name in OPTIONS]
    if named:
        return named
    room, *inner = path.relative_to(SOURCES).parts[:-1] or ("",)
    if room == "stages" and inner[0] != "shared":
        return [inner[0].replace("_", "-")]
    if (room, *inner[:1]) in _ROOMS:
        return [_ROOMS[room, *inner[:1]]]
    return [] if room in ("cli", "pipeline") else [*VERBS]


def test_every_option_that_a_hint_names_exists_for_its_verb() -> None:
    checked = 0
    wrong: list[str] = []
    for path in sorted(SOURCES.rglob("*.py")):
        for hint in hints(path):
            for option in options_in(_OTHERS.sub("", hint)):
                commands = commands_for(path, hint)
                checked += 1
                if not commands:
                    commands = [name for name in OPTIONS if option in OPTIONS[name]] or ["no command"]
                wrong += [
                    f"{path.relative_to(SOURCES)}: {name} lacks {option}"
                    for name in commands
                    if option not in OPTIONS.get(name, ())
                ]
    assert wrong == []
    assert checked > 20


@pytest.mark.parametrize("verb", VERBS)
def test_run_says_whose_an_option_is(verb: str) -> None:
    said = said_by("choose another `--out`, or `--set a=1`", command="run", verb=verb, options=OPTIONS)
    assert (
        said == f"choose another `--out`, or `--set a=1`; `--out` is an option of `rilctl {verb}`, not of `rilctl run`"
    )
    assert said_by("write `--set a=1`", command="run", verb=verb, options=OPTIONS) == "write `--set a=1`"
