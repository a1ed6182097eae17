"""Read artifacts: find them, check them, hand out their rows."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rilctl.artifacts.digests import sha256_file
from rilctl.artifacts.layout import MANIFEST, REBUILD_HINT, REJECTED, RUN, is_safe_name
from rilctl.artifacts.tables import Row, is_shard, read_shard
from rilctl.errors import ArtifactError
from rilctl.schemas.base import first_problem
from rilctl.schemas.manifest import (
    ROW_TYPES,
    SCHEMA_VERSION,
    ArtifactKind,
    ArtifactSummary,
    FileEntry,
    InputEntry,
    Manifest,
)
from rilctl.schemas.records import RejectedRecord

MADE_BY: Final[dict[ArtifactKind, str]] = {
    "teacher-cache": "cache-teacher",
    "responses": "pretrain-disc` or `rilctl eval",
    "rollouts": "train",
    "verdicts": "judge",
    "student": "sft` or `rilctl train",
    "discriminator": "pretrain-disc",
    "evaluation": "eval",
    "report": "report",
}
"""The verbs that make each kind, to be put between backticks in a hint."""


def resolve(path: Path, kind: ArtifactKind) -> Path:
    """Find the artifact of `kind` that a person means by `path`.

    That is `path` itself, its child named as the kind, or its only child of that kind.

    Raises:
        ArtifactError: nothing is there, it is half-written or interrupted, or of another kind.
    """
    _check_directory(path, kind)
    if (path / MANIFEST).exists():
        found = read_manifest(path).kind
        if found != kind:
            raise ArtifactError(
                f"`{path}` is a {found}, not a {kind}", hint=f"name a {kind}; `rilctl {MADE_BY[kind]}` makes one"
            )
        return _complete(path)
    children = {c: read_manifest(c).kind for c in sorted(path.iterdir()) if (c / MANIFEST).is_file()}
    if children.get(path / kind) == kind:
        return _complete(path / kind)
    fitting = [child for child, found in children.items() if found == kind]
    if len(fitting) == 1:
        return _complete(fitting[0])
    if fitting:
        names = ", ".join(f"`{child.name}`" for child in fitting)
        raise ArtifactError(f"`{path}` holds several of kind {kind}: {names}", hint="name one of them")
    if (path / RUN).exists() and (not children or (path / kind).is_dir()):
        raise _interrupted(path)
    if children:
        held = ", ".join(f"`{child.name}` ({found})" for child, found in children.items())
        raise ArtifactError(f"`{path}` holds {held}, but no {kind}", hint=f"`rilctl {MADE_BY[kind]}` makes a {kind}")
    raise ArtifactError(
        f"`{path}` is no artifact: it has no {MANIFEST}", hint=f"`rilctl {MADE_BY[kind]}` makes a {kind}"
    )


def read_manifest(path: Path) -> Manifest:
    """The manifest of the artifact at `path`.

    Raises:
        ArtifactError: it is missing, no valid JSON, was written by a newer rilctl, or misses or invents a key.
    """
    file = path / MANIFEST
    if not file.exists():
        if (path / RUN).exists():
            raise _interrupted(path)
        if not path.exists():
            raise ArtifactError(f"`{path}` doesn't exist", hint=_did_you_mean(path))
        raise ArtifactError(f"`{path}` is no artifact: it has no {MANIFEST}", hint=_did_you_mean(path))
    return parse_manifest(file)


def parse_manifest(file: Path) -> Manifest:
    """A manifest from a file of any name; see `read_manifest`."""
    try:
        raw = json.loads(file.read_bytes())
    except ValueError as error:
        raise ArtifactError(f"`{file}` is no valid JSON: {error}", hint=REBUILD_HINT) from error
    except OSError as error:
        raise ArtifactError(f"`{file}` can't be read: {error.strerror or error}", hint=REBUILD_HINT) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ArtifactError(
            f"`{file}` has schema version {version}, this rilctl reads up to {SCHEMA_VERSION}", hint="upgrade rilctl"
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise ArtifactError(f"`{file}` is no valid manifest: {first_problem(error)}", hint=REBUILD_HINT) from error
    for entry in manifest.files:
        if not is_safe_name(entry.path):
            raise ArtifactError(f"`{file}` lists `{entry.path}`, which is outside of the artifact", hint=REBUILD_HINT)
    return manifest


def read_rows(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """The rows of an artifact, in the order of writing; each shard is verified before its rows are used.

    Args:
        path: the artifact's directory, as `resolve` gives it.
        row_type: the row model of its kind.

    Raises:
        ArtifactError: at once: partial or of another kind; while reading: a shard is missing, was changed, or a row
            doesn't fit the model.
    """
    manifest = read_manifest(_complete(path))
    if ROW_TYPES.get(manifest.kind) is not row_type:
        raise ArtifactError(
            f"`{path}` is a {manifest.kind}, which has no rows of type {row_type.__name__}",
            hint="name an artifact that has",
        )
    shards = sorted((e for e in manifest.files if is_shard(e.path)), key=lambda e: e.path)
    return _rows(path, shards, row_type)


def read_rejected(path: Path) -> list[RejectedRecord]:
    """The rows that an artifact had to leave out, with their reasons. Raises `ArtifactError` as `read_rows` does."""
    entry = next((entry for entry in read_manifest(path).files if entry.path == REJECTED), None)
    if entry is None:
        return []
    check_file(path, entry)
    return [RejectedRecord.model_validate_json(line) for line in (path / REJECTED).read_bytes().splitlines()]


def check_files(path: Path) -> None:
    """Verify size and sha256 of every file of an artifact; for weights, before a model is loaded from them.

    Raises:
        ArtifactError: a file is missing or was changed.
    """
    for entry in read_manifest(path).files:
        check_file(path, entry)


def check_file(path: Path, entry: FileEntry) -> None:
    """Verify size and sha256 of one file of the artifact at `path`.

    Raises:
        ArtifactError: it is missing or was changed; the message names it, and the expected and actual digest.
    """
    file = path / entry.path
    try:
        size = file.stat().st_size
        actual = sha256_file(file)
    except OSError as error:
        raise ArtifactError(f"`{file}` can't be read: {error.strerror or error}", hint=REBUILD_HINT) from error
    if actual != entry.sha256:
        was = f"{entry.size_bytes} bytes, sha256 {entry.sha256}"
        raise ArtifactError(
            f"`{file}` was changed since it was written: expected {was}, found {size} bytes, sha256 {actual}",
            hint=REBUILD_HINT,
        )


def summarize(path: Path) -> ArtifactSummary:
    """What a verb's `--json` says of the artifact at `path`. Raises `ArtifactError` as `read_manifest` does."""
    return summary_of(path, read_manifest(path))


def summary_of(path: Path, manifest: Manifest) -> ArtifactSummary:
    """`summarize`, for a manifest that was read already."""
    return ArtifactSummary(
        kind=manifest.kind,
        path=str(path),
        content_digest=manifest.content_digest,
        status=manifest.status,
        rows=manifest.num_rows,
    )


def input_entry(role: str, path: Path) -> InputEntry:
    """The lineage entry of an artifact that is used as `role`. Raises `ArtifactError` as `read_manifest` does."""
    return InputEntry(role=role, kind="artifact", name=str(path), digest=read_manifest(path).content_digest)


def _rows(path: Path, shards: list[FileEntry], row_type: type[Row]) -> Iterator[Row]:
    for entry in shards:
        check_file(path, entry)
        yield from read_shard(path / entry.path, row_type)


def _check_directory(path: Path, kind: ArtifactKind) -> None:
    if not path.exists():
        raise ArtifactError(f"no {kind} at `{path}`: it doesn't exist", hint=_did_you_mean(path, kind))
    if not path.is_dir():
        raise ArtifactError(f"no {kind} at `{path}`: it is a file", hint="name the artifact's directory")


def _complete(path: Path) -> Path:
    if read_manifest(path).status == "partial":
        raise ArtifactError(
            f"`{path}` is partial: the command that made it was interrupted",
            hint="run the same command again; it goes on where it stopped",
        )
    return path


def _interrupted(path: Path) -> ArtifactError:
    return ArtifactError(
        f"`{path}` is half-written: the command that writes it was interrupted, or is still running",
        hint="run the same command again; it goes on where it stopped",
    )


def _did_you_mean(path: Path, kind: ArtifactKind | None = None) -> str | None:
    siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [s for s in siblings if s != path.name], n=1)
    if close:
        return f"did you mean `{path.parent / close[0]}`?"
    return f"`rilctl {MADE_BY[kind]}` makes a {kind}" if kind else None
