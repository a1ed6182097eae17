"""`rilctl help`: a recipe's keys, from the terminal."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rilctl.cli import output
from rilctl.cli.completing import complete_key
from rilctl.cli.options import Debug, Json

if TYPE_CHECKING:
    from rilctl.config.keys import Key


def help_on(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY", help="Such as train.optim.lr, or its end: lr; none: all tables.", autocompletion=complete_key
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a key of a recipe means.

    What may stand there, what holds where it isn't written, and which verbs read it.
    """
    from rilctl.config.keys import find_keys, table_names
    from rilctl.config.recipe import VERBS

    if key in VERBS:
        output.say(f"the verb's own options: `rilctl {key} --help`")
    found = [each for name in (table_names() if key is None else [key]) for each in find_keys(name)]
    if as_json:
        output.result_json({"keys": [asdict(each) for each in found]}, indent=2)
    elif key is None:
        output.result(*_aligned([(f"[{each.path}]", each.meaning) for each in found]))
    else:
        for number, each in enumerate(found):
            output.result(*([""] if number else []), *_all_of(each))


def _all_of(key: "Key") -> list[str]:
    """Everything about one key; of a table, its keys in a line each."""
    from rilctl.config.keys import find_keys

    facts = {
        "of type": ", ".join(key.types),
        "value": key.value,
        "default": key.default,
        "read by": ", ".join(key.verbs),
        "changes": "how it is done, not what is made" if key.is_execution else "what is made",
        "meaning": key.meaning,
    }
    lines = [key.path, *_aligned([(f"  {name}", text) for name, text in facts.items() if text])]
    if not key.keys:
        return lines
    place = f"{key.path}.NAME" if key.value.startswith("table: each key") else key.path
    below = [each for name in key.keys for each in find_keys(f"{place}.{name}")]
    named = Counter(each.path for each in below)
    pairs = [
        (f"    {each.path}" + (f" ({', '.join(each.types)})" if named[each.path] > 1 else ""), each.meaning)
        for each in below
    ]
    return [*lines, "  keys", *_aligned(pairs)]


def _aligned(pairs: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in pairs)
    return [f"{name:<{width}}  {text}".rstrip() for name, text in pairs]
