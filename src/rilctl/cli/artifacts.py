"""`artifacts ls|show|verify|lineage`; what deletes is in `removing` and `caching`, the hub in `sharing`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rilctl.cli import caching, output, removing, sharing
from rilctl.cli.options import Debug, Json
from rilctl.errors import ArtifactError
from rilctl.reporting import format

if TYPE_CHECKING:
    from rilctl.artifacts.lineage import LineageNode

app = typer.Typer(help="Show, check, trace, share and delete artifacts.", rich_markup_mode=None)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="An artifact, or the output directory of a verb that holds several.")
]
Below = Annotated[Path, typer.Argument(metavar="DIR", help="An artifact, or a folder: all that lie below it.")]


@app.command("ls")
def list_all(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="Where to look.")] = Path("runs"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List all artifacts below a directory.

    With rows, size, age and path of each, and below it the runs that were made from it.
    """
    from datetime import UTC, datetime

    from rilctl.artifacts.listing import list_artifacts, list_unfinished
    from rilctl.artifacts.meant import check_directory
    from rilctl.artifacts.stored import age_s

    check_directory(root, otherwise="name the workspace root: `rilctl artifacts ls DIR`")
    found, unfinished = list_artifacts(root), list_unfinished(root)
    if as_json:
        output.result_json(
            {
                "artifacts": [artifact.model_dump(mode="json") for artifact in found],
                "unfinished": [directory.model_dump(mode="json") for directory in unfinished],
            }
        )
        return
    now = datetime.now(UTC)
    for artifact in found:
        rows = "-" if artifact.rows is None else f"{artifact.rows:,}"
        seconds = age_s(artifact.created_at, now)
        age = "-" if seconds is None else format.age(seconds)
        facts = f"{artifact.kind:<13} {rows:>8} rows {format.size(artifact.size_bytes):>8} {age:>6}"
        output.result(f"{facts}  {artifact.path}", *_users(artifact.used_by, root))
    for directory in unfinished:
        output.warn(directory.reason)
    if found:
        total = format.size(sum(artifact.size_bytes for artifact in found))
        output.say(f"{len(found)} artifact{'s' if len(found) > 1 else ''}, {total}")


def _users(used_by: Sequence[str], root: Path) -> list[str]:
    """Who uses an artifact, in lines for a terminal of 80 columns."""
    import textwrap

    names = [str(Path(user).relative_to(root)) for user in used_by]
    shown = f"used by {len(names)}: {', '.join(names)}"
    indent = " " * 15
    return (
        textwrap.wrap(
            shown, 80, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        if names
        else []
    )


@app.command()
def show(directory: Below, as_json: Json = False, debug: Debug = False) -> None:
    """Print the manifest of an artifact."""
    from rilctl.artifacts.manifests import read_manifest

    manifests = {path: read_manifest(path) for path in _artifacts_at(directory)}
    if as_json:
        dumped = {path: manifest.model_dump(mode="json") for path, manifest in manifests.items()}
        output.result_json(_one_or_all(directory, dumped), indent=2)
        return
    for path, manifest in manifests.items():
        facts: dict[str, str | int | float] = {
            "status": manifest.status,
            "made by": f"rilctl {manifest.verb}, {manifest.created_at}",
            "rows": "-" if manifest.num_rows is None else manifest.num_rows,
            "rejected": manifest.num_rejected,
            "files": f"{len(manifest.files)}, {format.size(sum(entry.size_bytes for entry in manifest.files))}",
            "content digest": manifest.content_digest,
            **{f"input {entry.role}": f"{entry.name} ({entry.digest[:12]})" for entry in manifest.inputs},
            **manifest.metrics,
        }
        width = max(map(len, facts))
        lines = [f"  {name:<{width}}  {format.number(value)}" for name, value in facts.items()]
        output.result(f"{manifest.kind} {path}", *lines)


@app.command()
def verify(directory: Directory, as_json: Json = False, debug: Debug = False) -> None:
    """Check every byte, row and count of an artifact.

    That all stands beside it that should is checked as well. Exit code 5 if something is not as the manifest says, or
    can't be read.
    """
    from rilctl.artifacts.verify_run import is_run, verify_run

    found_there = _artifacts_at(directory)
    _refuse_several_runs(directory, found_there)
    reports = {path: _verified(path) for path in found_there}
    run = verify_run(directory) if is_run(directory) else None
    problems = [(path, problem) for path, report in reports.items() for problem in report["problems"]]
    left = [(path, name) for path, report in reports.items() for name in report.get("leftovers", ())]
    summary: dict[str, Any] = {}
    if run is not None:
        found = run.model_dump(mode="json")
        problems += [(directory, problem) for problem in found["problems"]]
        left += [(directory, name) for name in found["leftovers"]]
        if directory in reports:  # the run's directory is the artifact: one report
            for key, value in found.items():
                reports[directory][key] = [*reports[directory].get(key, ()), *value]
            reports[directory]["ok"] = not reports[directory]["problems"]
        else:
            summary = found
    if as_json:
        output.result_json(_one_or_all(directory, reports, ok=not problems, **summary))
    for path, report in reports.items():
        if report["ok"] and not as_json:
            output.result(f"ok {path}")
        if not report.get("covers_itself", True):
            output.warn(f"{path}: its manifest is of version 1, which doesn't cover itself: an edit of it isn't found")
    for path, name in left:
        output.warn(f"{path}: `{name}` was left behind by a kill; the command that made it sweeps it")
    for path, problem in problems:
        output.error(f"{path}: `{problem['file']}` {problem['problem']}")
    if any(problem["state"] == "damaged" for _, problem in problems):
        raise ArtifactError(f"`{directory}` is not as it was written", hint="copy it again, or make it anew")
    if problems:
        raise ArtifactError(
            f"`{directory}` can't be checked: you may not read all of it",
            hint="ask its owner for permission to read it",
        )


def _refuse_several_runs(directory: Path, found: Sequence[Path]) -> None:
    """A folder of runs says nothing of what should stand in it; raises `ArtifactError`."""
    from rilctl.artifacts.layout import RUN

    runs = dict.fromkeys(path if path == directory or (path / RUN).exists() else path.parent for path in found)
    if not runs.keys() - {directory}:
        return
    names = ", ".join(f"`{path}`" for path in [*runs][:3])
    raise ArtifactError(f"`{directory}` is a folder of runs", hint=f"name one of them: {names}")


def _verified(path: Path) -> dict[str, Any]:
    """What `verify` finds; one problem where the manifest itself is no use."""
    from rilctl.artifacts.verify import Problem
    from rilctl.artifacts.verify import verify as verify_artifact
    from rilctl.artifacts.verify_run import is_forbidden

    try:
        return verify_artifact(path).model_dump(mode="json")
    except ArtifactError as error:
        state: Literal["damaged", "unreadable"] = "unreadable" if is_forbidden(error) else "damaged"
        problem = Problem(file="manifest.json", problem=error.message, state=state)
        return {"ok": False, "path": str(path), "problems": [problem.model_dump(mode="json")]}


@app.command()
def lineage(directory: Below, as_json: Json = False, debug: Debug = False) -> None:
    """Print what an artifact was made from.

    And what that was made from, down to models and data sets. What was used several times has its own inputs where it
    is first named.
    """
    from rilctl.artifacts.lineage import lineage as lineage_of

    trees = {path: lineage_of(path) for path in _artifacts_at(directory)}
    if as_json:
        output.result_json(_one_or_all(directory, {path: tree.model_dump(mode="json") for path, tree in trees.items()}))
        return
    named: set[tuple[str, str]] = set()
    for tree in trees.values():
        output.result(_line(tree), *_branches(tree, "", named))


def _artifacts_at(directory: Path) -> list[Path]:
    """The directory if it is an artifact, else the artifacts of the run, or of all runs below it."""
    from rilctl.artifacts.layout import MANIFEST, RUN
    from rilctl.artifacts.manifests import read_manifest
    from rilctl.artifacts.roles import artifacts_in
    from rilctl.artifacts.sealed import unreadable
    from rilctl.artifacts.walk import walk_runs

    try:
        if not (directory / MANIFEST).exists():
            found = artifacts_in(directory) if directory.is_dir() else []
            if not (directory / RUN).exists():
                found = [path for path in walk_runs(directory) if (path / MANIFEST).exists()]
            if found:
                return found
            read_manifest(directory)  # says why it is none
    except OSError as error:
        raise unreadable(directory, error) from error
    return [directory]


def _one_or_all(directory: Path, found: dict[Path, Any], **summary: Any) -> Any:
    """The object itself for an artifact; of several, `artifacts` by their path in the directory, and the summary."""
    if directory in found:
        return found[directory]
    return {**summary, "artifacts": {path.relative_to(directory).as_posix(): value for path, value in found.items()}}


def _branches(node: "LineageNode", indent: str, named: set[tuple[str, str]]) -> Iterator[str]:
    """The lines below a node; those of an artifact that is in `named` already stand there."""
    named.add(_identity(node))
    for child in node.children:
        is_last = child is node.children[-1]
        is_known = bool(child.children) and _identity(child) in named
        yield f"{indent}{'└── ' if is_last else '├── '}{_line(child)}{', see above' if is_known else ''}"
        if not is_known:
            yield from _branches(child, indent + ("    " if is_last else "│   "), named)


def _identity(node: "LineageNode") -> tuple[str, str]:
    return node.found or node.name, node.digest


def _line(node: "LineageNode") -> str:
    state = "" if node.state in ("ok", "unchecked") else f"  {node.state}"
    return f"{node.role}: {node.found or node.name} ({node.digest[:12]}){state}"


app.command("rm")(removing.rm)
app.command("gc")(removing.gc)
app.command("cache")(caching.cache)
app.command("push")(sharing.push)
app.command("pull")(sharing.pull)
