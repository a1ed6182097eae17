"""What an artifact was made from, and what that was made from, down to models and data sets."""

from pathlib import Path
from typing import Literal

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.manifests import read_manifest
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import InputEntry

_NUM_PARENTS = 4
_NUM_NAME_PARTS = 3


class LineageNode(StrictModel):
    """One artifact, model or data set in the tree that `artifacts lineage --json` prints."""

    role: str
    """What it was used as; for the root, its artifact kind."""
    kind: Literal["artifact", "model", "data", "code"]
    """What it is."""
    name: str
    """As the manifest that used it says."""
    digest: str
    """The digest that was used."""
    found: str | None
    """Where it is now; null where it isn't, or where only its name is known."""
    state: Literal["ok", "missing", "changed", "unchecked"]
    """`changed`: there, with another digest. `unchecked`: a model, data set or code; that would need all its bytes."""
    children: list["LineageNode"]
    """What it was made from."""


def lineage(path: Path) -> LineageNode:
    """The tree of inputs below the artifact at `path`; the digests of the manifests are compared, not all bytes.

    Raises:
        ArtifactError: `path` is no artifact. Inputs that are gone or damaged are nodes, not errors.
    """
    manifest = read_manifest(path)
    return LineageNode(
        role=manifest.kind,
        kind="artifact",
        name=str(path),
        digest=manifest.content_digest,
        found=str(path),
        state="ok",
        children=_children(path, manifest.inputs, (path.resolve(),)),
    )


def _children(path: Path, inputs: list[InputEntry], above: tuple[Path, ...]) -> list[LineageNode]:
    return [_node(path, entry, above) for entry in inputs]


def _node(user: Path, entry: InputEntry, above: tuple[Path, ...]) -> LineageNode:
    children: list[LineageNode] = []
    state: Literal["ok", "missing", "changed", "unchecked"]
    if entry.kind != "artifact":
        found, state = (Path(entry.name) if Path(entry.name).exists() else None), "unchecked"
    else:
        found, state = find_input(user, entry)
        # A manifest that somebody edited could name itself.
        if found is not None and found.resolve() not in above and _digest_at(found):
            children = _children(found, read_manifest(found).inputs, (*above, found.resolve()))
    return LineageNode(
        role=entry.role,
        kind=entry.kind,
        name=entry.name,
        digest=entry.digest,
        found=None if found is None else str(found),
        state=state,
        children=children,
    )


def find_input(user: Path, entry: InputEntry) -> tuple[Path | None, Literal["ok", "missing", "changed"]]:
    """Look where the manifest says, then, in case the workspace was moved, near the artifact that used it.

    Args:
        user: the artifact that used it, or its run.
        entry: what it used, an artifact.
    """
    named = Path(entry.name)
    if _digest_at(named) == entry.digest:
        return named, "ok"
    for parent in list(user.resolve().parents)[:_NUM_PARENTS]:
        for num_parts in range(1, _NUM_NAME_PARTS + 1):
            candidate = parent.joinpath(*named.parts[-num_parts:])
            if _digest_at(candidate) == entry.digest:
                return candidate, "ok"
    return (None, "missing") if _digest_at(named) is None else (named, "changed")


def _digest_at(path: Path) -> str | None:
    """None where nothing is, and nothing where the manifest is no use."""
    if not (path / MANIFEST).is_file():
        return None
    try:
        return read_manifest(path).content_digest
    except ArtifactError:
        return ""
