"""What lies under a workspace root."""

import os
from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST, RESUME, RUN
from rilctl.artifacts.read import read_manifest, summary_of
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactSummary


class ListedArtifact(ArtifactSummary):
    """One line of `artifacts ls`."""

    verb: str
    """The verb that made it."""
    num_rejected: int
    """Rows that could not be used."""
    size_bytes: int
    """Of all its files together."""
    created_at: str
    """UTC, ISO 8601."""


class Unfinished(StrictModel):
    """A directory that is not, or not yet, an artifact."""

    path: str
    """Where it is."""
    reason: str
    """Interrupted, or what is wrong with its manifest."""


def list_artifacts(root: Path) -> list[ListedArtifact]:
    """All artifacts below `root`, or `root` itself, sorted by path; unreadable ones are in `list_unfinished`."""
    found = []
    for path in _walk(root):
        try:
            manifest = read_manifest(path)
        except ArtifactError:
            continue
        found.append(
            ListedArtifact(
                **summary_of(path, manifest).model_dump(),
                verb=manifest.verb,
                num_rejected=manifest.num_rejected,
                size_bytes=sum(entry.size_bytes for entry in manifest.files),
                created_at=manifest.created_at,
            )
        )
    return found


def list_unfinished(root: Path) -> list[Unfinished]:
    """Interrupted runs and unreadable artifacts below `root`, sorted by path, each with its reason."""
    found = []
    for path in _walk(root):
        try:
            read_manifest(path)
        except ArtifactError as error:
            found.append(Unfinished(path=str(path), reason=error.message))
    return found


def _walk(root: Path) -> Iterator[Path]:
    """Directories that are artifacts, or runs that have none or go on; hidden and scratch directories are left out."""
    for folder, children, files in os.walk(root):
        goes_on = RESUME in children
        children[:] = sorted(c for c in children if c != RESUME and not c.startswith("."))
        path = Path(folder)
        has_roles = any((path / child / MANIFEST).exists() for child in children)
        if MANIFEST in files or (RUN in files and not has_roles):
            children.clear()
            yield path
        elif RUN in files and goes_on:
            yield path
