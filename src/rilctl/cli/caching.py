"""`artifacts cache`: what the call cache holds, and what of it may go."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json
from rilctl.errors import UsageError
from rilctl.reporting import format

if TYPE_CHECKING:
    from rilctl.artifacts.calls_pruning import AskedAnswers, CallsSurvey

_UNITS_S = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def cache(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace root.")] = Path("runs"),
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Neither stored nor used for so long: 12h, 30d, 8w."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="Stored and used by runs in this folder of the workspace alone."),
    ] = None,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Stored and used by runs alone that are there no more.")
    ] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Give unused room of the file back to the disk.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete what is shown.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what the call cache holds, and for whom.

    With --older-than, --recipe or --orphaned the answers that all of them hold for are shown, and with `--yes` deleted;
    they go by model and run that asked. An answer that went is asked for again where it is wanted. `--compact` loses no
    answer. Other commands may use the cache meanwhile.
    """
    from rilctl.artifacts import calls_pruning

    seconds = None if older_than is None else _seconds(older_than)
    selects = older_than is not None or recipe is not None or orphaned
    if yes and not selects:
        raise UsageError("`--yes` says nothing of what goes", hint="add `--older-than`, `--recipe` or `--orphaned`")
    found = calls_pruning.survey(root)
    chosen = calls_pruning.choose(found, root, unused_s=seconds, recipe=recipe, orphaned=orphaned)
    num = calls_pruning.prune(root, chosen) if yes else 0
    if compact:
        calls_pruning.compact(root)
    # Of the file with its log, which gets shorter by itself as well: so it is only told where something was done.
    freed = max(0, found.size_bytes - calls_pruning.survey(root).size_bytes) if num or compact else 0
    if as_json:
        shown = found.model_dump(mode="json")
        going = [each.number for each in chosen]
        output.result_json({**shown, "chosen": going, "num_deleted": num, "freed_bytes": freed})
        return
    output.result(*_lines(chosen if selects else found.askers))
    _say_what_was_done(found, chosen, selects=selects, num=num, freed=freed)
    if selects and chosen and not yes:
        options = [("--older-than", older_than), ("--recipe", recipe)]
        command = ["rilctl", "artifacts", "cache", str(root), *(w for o, v in options if v is not None for w in (o, v))]
        command += ["--orphaned"] if orphaned else []
        output.say(f"nothing was deleted yet: `{shlex.join(command)} --yes` does it")


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([hdw])", age)
    if found is None:
        raise UsageError(f"`{age}` is no age", hint="a number of hours, days or weeks: `12h`, `30d`, `8w`")
    return int(found[1]) * _UNITS_S[found[2]]


def _lines(askers: Sequence["AskedAnswers"]) -> list[str]:
    """Answers, size, age and model of each asker, and below it the runs."""
    lines = []
    for each in askers:
        facts = f"{each.num_answers:>8} {format.size(each.size_bytes):>8} {format.age(each.unused_s):>6}"
        lines.append(f"{each.role or 'unknown':<8} {facts}  {each.model or 'stored before this was noted'}")
        users = f"used by {', '.join(each.used_by)}" if each.used_by else ""
        if runs := "; ".join(filter(None, [each.run and f"asked by {each.run}", users])):
            lines.append(f"{'':<9}{runs}")
    return lines


def _say_what_was_done(
    found: "CallsSurvey", chosen: Sequence["AskedAnswers"], *, selects: bool, num: int, freed: int
) -> None:
    total = sum(each.num_answers for each in found.askers)
    output.say(f"{found.path}: {total:,} answers, {format.size(found.size_bytes)}")
    if found.num_damaged:
        output.say(f"{found.num_damaged} answers were changed since they were stored, and are set aside")
    if selects and not chosen:
        output.say("none of them is chosen: no run that asked is of what the options say")
    if chosen:
        size = format.size(sum(each.size_bytes for each in chosen))
        output.say(f"chosen: {sum(each.num_answers for each in chosen):,} answers, {size}")
    if num:
        output.say(f"deleted {num:,} answers")
    if freed:
        output.say(f"the file is {format.size(freed)} smaller")
    elif found.free_bytes:
        output.say(f"{format.size(found.free_bytes)} of it hold nothing: `--compact` gives them back")
