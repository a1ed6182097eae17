"""Read manifests, and refuse those that somebody or something changed."""

import os
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from rilctl.artifacts.layout import MANIFEST, REBUILD_HINT, RUN, is_safe_name
from rilctl.artifacts.meant import NAME_ONE, check_directory, did_you_mean
from rilctl.artifacts.sealed import FIELD, is_sealed, load_json, unreadable
from rilctl.errors import ArtifactError
from rilctl.schemas.base import first_problem
from rilctl.schemas.manifest import SCHEMA_VERSION, Manifest

SINCE_VERSION_2 = (FIELD, "roles", "logs")
"""Keys that manifests of schema version 1 don't have: nothing covers those."""


def read_manifest(path: Path) -> Manifest:
    """The manifest of the artifact at `path`.

    Raises:
        ArtifactError: it is missing, can't be read, was changed, was written by a newer rilctl, or misses or invents a
            key.
    """
    file = path / MANIFEST
    try:
        if not os.path.lexists(file):
            if (path / RUN).exists():
                raise interrupted(path)
            check_directory(path)
            if is_part_of_run(path):
                raise ArtifactError(f"`{path}` is a part of a run, and has no {MANIFEST}", hint=REBUILD_HINT)
            raise ArtifactError(f"`{path}` is no artifact: it has no {MANIFEST}", hint=did_you_mean(path) or NAME_ONE)
    except OSError as error:
        raise unreadable(file, error) from error
    return parse_manifest(file)


def parse_manifest(file: Path) -> Manifest:
    """A manifest from a file of any name; see `read_manifest`."""
    data, raw = load_json(file)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ArtifactError(
            f"`{file}` has schema version {version}, this rilctl reads up to {SCHEMA_VERSION}", hint="upgrade rilctl"
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise ArtifactError(f"`{file}` is no valid manifest: {first_problem(error)}", hint=REBUILD_HINT) from error
    refuse_unsealed(file, data, manifest.schema_version, manifest.file_digest, manifest.model_fields_set)
    for entry in [*manifest.files, *manifest.logs]:
        if not is_safe_name(entry.path):
            raise ArtifactError(f"`{file}` lists `{entry.path}`, which is outside of the artifact", hint=REBUILD_HINT)
    names = Counter([MANIFEST, *(entry.path for entry in manifest.files)])
    if twice := next((name for name, num in names.items() if num > 1), None):
        odd = "itself" if twice == MANIFEST else f"`{twice}` more than once"
        raise ArtifactError(f"`{file}` lists {odd}", hint=REBUILD_HINT)
    if any(not is_safe_name(role) or "/" in role for role in manifest.roles):
        raise ArtifactError(f"`{file}` names a role outside of the run", hint=REBUILD_HINT)
    return manifest


def refuse_unsealed(file: Path, data: bytes, version: int, digest: str | None, keys: set[str]) -> None:
    """Raise `ArtifactError` where a file isn't what its digest was made of; version 1 has none.

    Args:
        file: a manifest or run file.
        data: its bytes.
        version: of its schema.
        digest: the digest that stands in it.
        keys: all keys that stand in it.
    """
    odd = sorted(keys.intersection(SINCE_VERSION_2)) if version == 1 else []
    if version < 1 or odd:
        has = f", which has no `{odd[0]}`" if odd else ""
        raise ArtifactError(f"`{file}` says schema version {version}{has}", hint=REBUILD_HINT)
    if version > 1 and (digest is None or not is_sealed(data, digest)):
        raise ArtifactError(f"`{file}` was changed since it was written: its digest is another", hint=REBUILD_HINT)


def is_part_of_run(path: Path) -> bool:
    """Whether a directory lies in one that holds a run, and holds none itself: one of its roles, whole or not."""
    return (path.absolute().parent / RUN).exists() and not (path / RUN).exists()


def interrupted(path: Path) -> ArtifactError:
    """What to raise where a run has begun and left no artifact."""
    return ArtifactError(
        f"`{path}` is half-written: the command that writes it was interrupted, or is still running",
        hint="run the same command again; it goes on where it stopped",
    )
