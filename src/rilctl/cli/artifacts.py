"""`artifacts ls|show|verify|lineage`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rilctl.cli import format, output
from rilctl.cli.options import Debug, Json
from rilctl.errors import ArtifactError

if TYPE_CHECKING:
    from rilctl.artifacts.lineage import LineageNode

app = typer.Typer(help="List, show, check and trace artifacts.", rich_markup_mode=None)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="An artifact, or the output directory of a verb that holds several.")
]


@app.command("ls")
def list_all(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="Where to look.")] = Path("runs"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List all artifacts below a directory."""
    from rilctl.artifacts.listing import list_artifacts, list_unfinished

    if not root.is_dir():
        raise ArtifactError(f"no directory `{root}`", hint="name the workspace root: `rilctl artifacts ls DIR`")
    found, unfinished = list_artifacts(root), list_unfinished(root)
    if as_json:
        output.result_json(
            {
                "artifacts": [artifact.model_dump(mode="json") for artifact in found],
                "unfinished": [directory.model_dump(mode="json") for directory in unfinished],
            }
        )
        return
    for artifact in found:
        rows = "-" if artifact.rows is None else str(artifact.rows)
        output.result(f"{artifact.kind:<13} {rows:>9} rows {format.size(artifact.size_bytes):>8}  {artifact.path}")
    for directory in unfinished:
        output.warn(directory.reason)


@app.command()
def show(directory: Directory, as_json: Json = False, debug: Debug = False) -> None:
    """Print the manifest of an artifact."""
    from rilctl.artifacts.read import read_manifest

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
        output.result("\n".join([f"{manifest.kind} {path}", *lines]))


@app.command()
def verify(directory: Directory, as_json: Json = False, debug: Debug = False) -> None:
    """Check every byte, row and count of an artifact.

    Exit code 5 if something is not as the manifest says.
    """
    from rilctl.artifacts.verify import verify as verify_artifact

    reports: dict[Path, dict[str, Any]] = {}
    for path in _artifacts_at(directory):
        try:
            reports[path] = verify_artifact(path).model_dump(mode="json")
        except ArtifactError as error:
            problem = {"file": "manifest.json", "problem": error.message}
            reports[path] = {"ok": False, "path": str(path), "problems": [problem]}
    ok = all(report["ok"] for report in reports.values())
    if as_json:
        output.result_json(_one_or_all(directory, reports, ok=ok))
    for path, report in reports.items():
        if report["ok"] and not as_json:
            output.result(f"ok {path}")
        for problem in report["problems"]:
            output.error(f"{path}: `{problem['file']}` {problem['problem']}")
    if not ok:
        raise ArtifactError(f"`{directory}` is not as it was written", hint="copy it again, or make it anew")


@app.command()
def lineage(directory: Directory, as_json: Json = False, debug: Debug = False) -> None:
    """Print what an artifact was made from.

    And what that was made from, down to models and data sets.
    """
    from rilctl.artifacts.lineage import lineage as lineage_of

    trees = {path: lineage_of(path) for path in _artifacts_at(directory)}
    if as_json:
        output.result_json(_one_or_all(directory, {path: tree.model_dump(mode="json") for path, tree in trees.items()}))
        return
    for tree in trees.values():
        output.result("\n".join([_line(tree), *_branches(tree, "")]))


def _artifacts_at(directory: Path) -> list[Path]:
    """The directory if it is an artifact, else the artifacts that a verb put side by side into it."""
    from rilctl.artifacts.layout import MANIFEST
    from rilctl.artifacts.read import read_manifest

    if not (directory / MANIFEST).exists():
        children = sorted(path.parent for path in directory.glob(f"*/{MANIFEST}"))
        if children:
            return children
        read_manifest(directory)  # says why it is none
    return [directory]


def _one_or_all(directory: Path, found: dict[Path, Any], **summary: Any) -> Any:
    """The object itself for an artifact; for a directory of several, `artifacts` by name, and the summary."""
    if directory in found:
        return found[directory]
    return {**summary, "artifacts": {path.name: value for path, value in found.items()}}


def _branches(node: "LineageNode", indent: str) -> Iterator[str]:
    for child in node.children:
        is_last = child is node.children[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{_line(child)}"
        yield from _branches(child, indent + ("    " if is_last else "│   "))


def _line(node: "LineageNode") -> str:
    state = "" if node.state in ("ok", "unchecked") else f"  {node.state}"
    return f"{node.role}: {node.found or node.name} ({node.digest[:12]}){state}"
