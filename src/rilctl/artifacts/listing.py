"""What lies under a workspace root."""

from pathlib import Path

from rilctl.artifacts.dependents import artifact_users
from rilctl.artifacts.layout import MANIFEST, RESUME
from rilctl.artifacts.manifests import interrupted, read_manifest
from rilctl.artifacts.read import summary_of
from rilctl.artifacts.roles import artifacts_in, missing_roles, named_roles
from rilctl.artifacts.stored import size_of, stored_runs
from rilctl.artifacts.walk import walk_runs
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
    used_by: list[str]
    """The runs below the same directory that were made from it, or are being made."""


class Unfinished(StrictModel):
    """A directory that is not, or not yet, an artifact."""

    path: str
    """Where it is."""
    reason: str
    """Interrupted, not whole, not swept, or what is wrong with its manifest."""
    size_bytes: int
    """Of all files in it."""


def list_artifacts(root: Path) -> list[ListedArtifact]:
    """All artifacts below `root`, or `root` itself, sorted by path; unreadable ones are in `list_unfinished`."""
    found, users = [], artifact_users(stored_runs(root))
    for path in walk_runs(root):
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
                used_by=[str(user) for user in users.get(path, ())],
            )
        )
    return found


def list_unfinished(root: Path) -> list[Unfinished]:
    """Interrupted runs and unreadable artifacts below `root`, sorted by path, each with its reason."""
    reasons = {path: _reason(path) for path in walk_runs(root)}
    return [
        Unfinished(path=str(path), reason=reason, size_bytes=size_of(path))
        for path, reason in reasons.items()
        if reason is not None
    ]


def _reason(path: Path) -> str | None:
    goes_on = (path / RESUME).is_dir()
    try:
        if (path / MANIFEST).exists() or not artifacts_in(path):
            finished = read_manifest(path).status == "complete"
        else:
            missing = missing_roles(path)
            if missing and not goes_on:
                return f"`{path}` is not whole: it has no {', '.join(missing)}"
            finished = not missing and bool(named_roles(path))
    except ArtifactError as error:
        return error.message
    if goes_on and not finished:
        return interrupted(path).message
    return f"`{path}` is finished, and `{RESUME}` was left in it; its command sweeps that" if goes_on else None
