"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from rilctl.cli.completing import complete_override
from rilctl.errors import UsageError

Recipes = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RECIPE", help="TOML files, merged left to right; none: ./recipe.toml.", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one key, e.g. train.optim.lr=1e-5. Repeatable.",
        autocompletion=complete_override,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Output directory; default: <root>/<recipe>/<verb>.")
]
Json = Annotated[bool, typer.Option("--json", help="Write the result to stdout as one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")]
Gpus = Annotated[
    int | None,
    typer.Option("--gpus", min=1, metavar="N", help="Train on N processes, one for each GPU (DeepSpeed's launcher)."),
]
HostFile = Annotated[
    Path | None, typer.Option("--hostfile", metavar="FILE", help="Train on several hosts: lines of `host slots=N`.")
]
RetryRejected = Annotated[
    bool, typer.Option("--retry-rejected", help="If all is done but for rejected rows, ask those again.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
"""Read from the arguments by `cli.app`, which also serves errors that come before any command runs."""


def split_names(text: str, example: str) -> list[str]:
    """The names of an option that takes several.

    Args:
        text: with commas between them.
        example: the option and what it could be given.

    Raises:
        UsageError: one of them is empty.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        option = example.split()[0]
        raise UsageError(f"`{option} {text}` has an empty name", hint=f"write `{example}`")
    return names
