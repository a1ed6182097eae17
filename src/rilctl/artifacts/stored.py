"""The runs of a workspace as they are stored: what each holds, what it was made from, and how large it is."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from rilctl.artifacts.layout import MANIFEST, RESUME, RUN
from rilctl.artifacts.manifests import is_part_of_run, read_manifest
from rilctl.artifacts.roles import artifacts_in, missing_roles
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.walk import walk_runs
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import InputEntry, Manifest

_NUM_NAMED = 3


@dataclass(frozen=True)
class StoredRun:
    """A run's directory, finished or not, or an artifact that was copied alone.

    Args:
        path: its directory.
        verb: the verb that writes there; empty where nothing says so.
        state: `unreadable`: neither its run file nor a manifest can be read, so it may not be ours at all.
        digests: content digest of each of its artifacts, by directory.
        inputs: what it was made from, or is being made from.
        created_at: UTC, ISO 8601: of what it holds, else of its start; empty where nothing says so.
        size_bytes: of all files in it, listed in a manifest or not.
    """

    path: Path
    verb: str
    state: Literal["finished", "unfinished", "unreadable"]
    digests: dict[Path, str]
    inputs: tuple[InputEntry, ...]
    created_at: str
    size_bytes: int

    def age_s(self, now: datetime) -> float | None:
        """Seconds since it was made; None where nobody knows."""
        return age_s(self.created_at, now)


def age_s(created_at: str, now: datetime) -> float | None:
    """Seconds from a time in a manifest to now, at least 0; None where it is no time."""
    try:
        return max(0.0, (now - datetime.fromisoformat(created_at)).total_seconds())
    except (ValueError, TypeError):
        return None


def stored_runs(root: Path) -> list[StoredRun]:
    """All runs below a directory, or the one that it is, sorted by path. Raises `ArtifactError` where it can't look."""
    try:
        return [stored_run(path) for path in run_places(root)]
    except OSError as error:
        raise unreadable(root, error) from error


def run_places(root: Path, *, most_levels: int | None = None) -> list[Path]:
    """The directories of all runs below a directory, or the one that it is, sorted; of what is none, nothing.

    Args:
        root: where to look.
        most_levels: see `walk_runs`.
    """
    return [path for path in walk_runs(root, most_levels=most_levels) if not is_part_of_run(path)]


def runs_below(roots: Sequence[Path], others: Sequence[Path]) -> list[StoredRun]:
    """The runs below some directories, and others that are named; each once, however it is reached."""
    found: dict[Path, StoredRun] = {}
    for run in (run for root in roots for run in stored_runs(root)):
        found.setdefault(run.path.resolve(), run)
    for path in others:
        if path.resolve() not in found:
            found[path.resolve()] = stored_run(path)
    return list(found.values())


def stored_run(path: Path) -> StoredRun:
    """The run that has its directory at `path`."""
    manifests: dict[Path, Manifest] = {}
    is_whole = True
    for place in [path] if (path / MANIFEST).exists() else artifacts_in(path):
        try:
            manifests[place] = read_manifest(place)
        except ArtifactError:
            is_whole = False
    try:
        run_file = read_run(path) if (path / RUN).exists() else None
    except ArtifactError:
        run_file = None
    said = run_file or next(iter(manifests.values()), None)
    is_whole = is_whole and bool(manifests) and all(found.status == "complete" for found in manifests.values())
    is_whole = is_whole and (path in manifests or not missing_roles(path))
    # Manifests of version 1 don't name the roles that belong beside them, so only this tells whether all are there.
    goes_on = (path / RESUME).is_dir() and any(found.file_digest is None for found in manifests.values())
    inputs = [entry for found in (run_file, *manifests.values()) if found is not None for entry in found.inputs]
    return StoredRun(
        path=path,
        verb=said.verb if said else "",
        state="unreadable" if said is None else "finished" if is_whole and not goes_on else "unfinished",
        digests={place: manifest.content_digest for place, manifest in manifests.items()},
        inputs=tuple({(entry.name, entry.digest): entry for entry in inputs}.values()),
        created_at=max(
            (found.created_at for found in manifests.values()), default=run_file.started_at if run_file else ""
        ),
        size_bytes=size_of(path),
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a directory; links count as themselves, what can't be read not at all."""
    if path.is_symlink() or not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0  # it went away meanwhile


def quoted(paths: Collection[Path]) -> str:
    """A few paths for a message."""
    shown = ", ".join(f"`{path}`" for path in sorted(paths)[:_NUM_NAMED])
    return shown + (f" and {len(paths) - _NUM_NAMED} more" if len(paths) > _NUM_NAMED else "")
