"""`artifacts rm|gc`: delete runs, after showing what would go."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rilctl.cli import output
from rilctl.cli.asking import check_asking, confirm
from rilctl.cli.options import Debug, Json
from rilctl.reporting import format

if TYPE_CHECKING:
    from rilctl.artifacts.removal import Removal

Yes = Annotated[bool, typer.Option("--yes", help="Delete without asking.")]


def rm(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Runs, or artifacts of one, which stand for the whole run.")
    ],
    dependents: Annotated[
        bool, typer.Option("--dependents", help="Delete what was made from them, too, to the last.")
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", metavar="DIR", help="Where to look for what was made from them; default: their workspace."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and delete nothing.")] = False,
    yes: Yes = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete runs.

    Each as a whole: the artifacts of one belong together. Where something was made from them it is refused, unless
    that goes as well. A link goes without what it leads to. What would go is shown before it is asked for.
    """
    from rilctl.artifacts.removal import remove
    from rilctl.artifacts.removal_plan import plan_removal, run_at, workspaces_of

    roots = [_directory(root)] if root is not None else workspaces_of(paths, usual=Path("runs"))
    removals = plan_removal(paths, roots, dependents=dependents)
    check_asking(yes=yes, dry_run=dry_run, as_json=as_json, does="deletes", shown="what would go")
    for path in paths:
        if not path.is_symlink() and (run := run_at(path)) != path:
            output.say(f"`{path}` is a part of `{run}`: the whole run goes")
    asks = not dry_run and not yes
    if asks:
        for line in _lines(removals):
            output.say(line)
        confirm("delete this?", otherwise="nothing was deleted")
    if not dry_run:
        remove(removals, roots)
    _tell(removals, deleted=not dry_run, as_json=as_json, shown=asks)


def gc(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace root.")] = Path("runs"),
    keep: Annotated[
        list[Path] | None,
        typer.Option(
            "--keep", metavar="RUN", help="Keep this run, or all below this folder, and no other results. Repeatable."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete what is shown.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what no kept run was made from, and with `--yes` delete it.

    Kept is every train and eval run, what was made from them, and all that these were made from; with `--keep` the runs
    that it names and all that they were made from. Runs that aren't finished always stay, with what they read, and so
    do folders without a train or eval run, unless `--keep` names others. What killed commands left goes: half-written
    files, and `resume/` of finished runs.
    """
    from rilctl.artifacts.gc import plan_gc
    from rilctl.artifacts.removal import remove

    found = plan_gc(_directory(root), keep or ())
    if yes:
        remove(found.removals, [root])
    kept = [run.model_dump(mode="json") for run in found.kept]
    _tell(found.removals, deleted=yes, as_json=as_json, kept=kept)
    if not as_json and not yes:
        for run in found.kept:
            output.say(f"keeps {run.path}: {run.reason}")
        if found.removals:
            command = [
                "rilctl",
                "artifacts",
                "gc",
                str(root),
                *(w for path in keep or () for w in ("--keep", str(path))),
            ]
            output.say(f"nothing was deleted yet: `{shlex.join(command)} --yes` does it")


def _directory(root: Path) -> Path:
    from rilctl.artifacts.meant import check_directory

    check_directory(root, otherwise="name the workspace root")
    return root


def _tell(removals: Sequence["Removal"], *, deleted: bool, as_json: bool, shown: bool = False, **more: Any) -> None:
    if as_json:
        dumped = [each.model_dump(mode="json", exclude={"lock"}) for each in removals]
        size = sum(each.size_bytes for each in removals)
        output.result_json({"deleted": deleted, "removals": dumped, "size_bytes": size, **more})
        return
    if not shown:
        output.result(*_lines(removals))
    total = format.size(sum(each.size_bytes for each in removals))
    output.say(f"{'deleted' if deleted else 'would free'} {total}" if removals else "nothing to delete")


def _lines(removals: Sequence["Removal"]) -> list[str]:
    """Size, age and path of each, and below it why it goes."""
    from datetime import UTC, datetime

    from rilctl.artifacts.stored import age_s

    now, lines = datetime.now(UTC), list[str]()
    for each in removals:
        age = age_s(each.created_at, now)
        shown = "-" if age is None else format.age(age)
        what = each.verb if each.what == "run" else each.what
        lines.append(f"{what:<13} {format.size(each.size_bytes):>8} {shown:>6}  {each.path}")
        lines.append(f"{'':<15}{each.reason}")
        if each.strays:
            others = f" and {len(each.strays) - 1} more" if len(each.strays) > 1 else ""
            lines.append(f"{'':<15}with `{each.strays[0]}`{others}, which no verb wrote")
    return lines
