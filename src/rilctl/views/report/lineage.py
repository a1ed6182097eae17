"""What the reported runs were made from, as one graph."""

from pathlib import Path

from rilctl.artifacts.lineage import LineageNode
from rilctl.artifacts.lineage import lineage as lineage_of
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.report_made import LineageArrow, LineageBox, ReportLineage
from rilctl.views.report.nearby import nearby
from rilctl.views.runs.view import RunView


def lineage_graph(runs: list[RunView]) -> ReportLineage:
    """All artifacts of the runs and everything below them; a run that has no artifact yet stands for itself."""
    boxes: dict[str, LineageBox] = {}
    arrows: dict[tuple[str, str, str], LineageArrow] = {}

    def add(node: LineageNode, label: str) -> str:
        key = node.digest
        known = key in boxes
        if not known:
            boxes[key] = LineageBox(
                id=key,
                kind=node.kind,
                label=label,
                name=nearby(node.found or node.name),
                digest=node.digest,
                state=node.state,
            )
            for child in node.children:
                _connect(arrows, add(child, child.role), key, child.role)
        return key

    for run in runs:
        trees = [tree for path in run.artifacts.values() if (tree := _tree(path)) is not None]
        for tree in trees:
            add(tree, tree.role)
        if not trees and run.inputs:
            key = f"run:{run.path}"
            boxes[key] = LineageBox(
                id=key, kind="artifact", label=run.verb, name=nearby(str(run.path)), digest="", state="missing"
            )
            for entry in run.inputs:
                _connect(arrows, add(_input(entry), entry.role), key, entry.role)
    return ReportLineage(boxes=list(boxes.values()), arrows=list(arrows.values()))


def _connect(arrows: dict[tuple[str, str, str], LineageArrow], source: str, target: str, role: str) -> None:
    arrows[source, target, role] = LineageArrow(source=source, target=target, role=role)


def _tree(path: Path) -> LineageNode | None:
    try:
        return lineage_of(path)
    except (ArtifactError, OSError):
        return None


def _input(entry: InputEntry) -> LineageNode:
    """What a run that has made nothing yet reads: an artifact with its own inputs, where it is still there."""
    if entry.kind == "artifact" and (tree := _tree(Path(entry.name))) is not None and tree.digest == entry.digest:
        return tree
    return LineageNode(
        role=entry.role,
        kind=entry.kind,
        name=entry.name,
        digest=entry.digest,
        found=None,
        state="missing" if entry.kind == "artifact" else "unchecked",
        children=[],
    )
