"""Check an artifact from the ground up: every byte, every row, every count, and that nothing else stands there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from rilctl.artifacts.check import unlisted
from rilctl.artifacts.digests import RowsDigest, files_digest, sha256_file, weights_digest
from rilctl.artifacts.layout import MANIFEST, REJECTED, is_leftover, read_regular, walk_files
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.model_files import model_files_digest
from rilctl.artifacts.tables import count_tokens, is_shard, read_shard
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel, first_problem
from rilctl.schemas.manifest import ROW_TYPES, WEIGHT_KINDS, ArtifactKind, FileEntry, Manifest
from rilctl.schemas.records import RejectedRecord


class Problem(StrictModel):
    """One thing that is wrong."""

    file: str
    """The file, relative to the artifact."""
    problem: str
    """What is wrong with it, for a person."""
    state: Literal["damaged", "unreadable"] = "damaged"
    """`unreadable`: it may not be read, so that nothing is known of it."""


class VerifyReport(StrictModel):
    """What `artifacts verify --json` prints."""

    ok: bool
    """Whether nothing is wrong."""
    path: str
    """The artifact's directory."""
    kind: ArtifactKind
    """What it is."""
    status: str
    """`complete` or `partial`; a partial artifact can be sound."""
    content_digest: str
    """As the manifest says."""
    num_files: int
    """Files that the manifest lists."""
    num_rows: int | None
    """Rows that were read and fit their schema; null for kinds without rows."""
    covers_itself: bool
    """Whether an edit of the manifest would be found; not in schema version 1."""
    problems: list[Problem]
    """What is wrong, file by file."""
    leftovers: list[str]
    """Files of ours that a kill left behind: nobody reads them, and the next start of the command sweeps them."""


def verify(path: Path) -> VerifyReport:
    """Recompute everything that the manifest claims.

    Its own digest, sizes and sha256 of all files, missing and unexpected files, every row against its schema, counts
    of rows, tokens and rejected rows, and the content digest. What stands beside it is `verify_run`'s.

    Raises:
        ArtifactError: there is no manifest, or it can't be read, or was changed.
    """
    manifest = read_manifest(path)
    problems = _check_bytes(path, manifest)
    num_rows: int | None = None
    if not any(problem.state == "unreadable" for problem in problems):
        if manifest.kind in ROW_TYPES:
            num_rows, found = _check_rows(path, manifest, ROW_TYPES[manifest.kind])
            problems += found
        else:
            problems += _check_content(path, manifest)
        if not any(problem.file == REJECTED for problem in problems):
            problems += _check_rejected(path, manifest)
    return VerifyReport(
        ok=not problems,
        path=str(path),
        kind=manifest.kind,
        status=manifest.status,
        content_digest=manifest.content_digest,
        num_files=len(manifest.files),
        num_rows=num_rows,
        covers_itself=manifest.file_digest is not None,
        problems=problems,
        leftovers=[] if problems else [name for name, _ in walk_files(path) if is_leftover(name)],
    )


def _check_bytes(path: Path, manifest: Manifest) -> list[Problem]:
    problems = [p for entry in manifest.files if (p := check_entry(path, entry)) is not None]
    try:
        problems += [Problem(file=name, problem="is not in the manifest") for name in unlisted(path, manifest)]
    except OSError as error:
        problems.append(unreadable_problem(".", error))
    return problems


def check_entry(path: Path, entry: FileEntry) -> Problem | None:
    """What is wrong with a file that a manifest lists."""
    file = path / entry.path
    try:
        if file.is_symlink():
            return Problem(file=entry.path, problem="is a symbolic link, not the file that was written")
        if not file.is_file():
            return Problem(file=entry.path, problem="is no regular file" if file.exists() else "is missing")
        size = file.stat().st_size
        if size != entry.size_bytes:
            return Problem(file=entry.path, problem=f"has {size} bytes, expected {entry.size_bytes}")
        actual = sha256_file(file)
    except OSError as error:
        return unreadable_problem(entry.path, error)
    if actual != entry.sha256:
        return Problem(file=entry.path, problem=f"has sha256 {actual}, expected {entry.sha256}")
    return None


def unreadable_problem(name: str, error: OSError) -> Problem:
    """A file that can't be read: it may be as it was, where only the permission is missing."""
    state: Literal["damaged", "unreadable"] = "unreadable" if isinstance(error, PermissionError) else "damaged"
    return Problem(file=name, problem=f"can't be read: {(error.strerror or str(error)).lower()}", state=state)


def _check_rows(path: Path, manifest: Manifest, row_type: type[StrictModel]) -> tuple[int, list[Problem]]:
    digest, num_rows, num_tokens = RowsDigest(), 0, None
    problems = []
    for name in sorted(entry.path for entry in manifest.files if is_shard(entry.path)):
        if not (path / name).is_file():
            continue  # reported as missing already
        try:
            for record in read_shard(path / name, row_type):
                digest.add(record)
                num_rows += 1
                if (num := count_tokens(record)) is not None:
                    num_tokens = (num_tokens or 0) + num
        except ArtifactError as error:
            problems.append(Problem(file=name, problem=error.message))
    claims = [
        ("num_rows", manifest.num_rows, num_rows),
        ("num_tokens", manifest.num_tokens, num_tokens),
        ("content_digest", manifest.content_digest, digest.hexdigest()),
    ]
    return num_rows, problems + _compare(claims)


def _check_content(path: Path, manifest: Manifest) -> list[Problem]:
    try:
        if manifest.kind in WEIGHT_KINDS:
            actual = weights_digest(path) if manifest.schema_version < 3 else model_files_digest(path)
        else:
            actual = files_digest({entry.path: _sha256(path, entry) for entry in manifest.files})
    except (ArtifactError, OSError) as error:
        return [Problem(file=MANIFEST, problem=f"content_digest can't be recomputed: {error}")]
    return _compare([("content_digest", manifest.content_digest, actual)])


def _sha256(path: Path, entry: FileEntry) -> str:
    """Of a file that is no longer than it was: what took its place may have terabytes."""
    if (path / entry.path).stat().st_size > entry.size_bytes:
        raise ArtifactError(f"`{entry.path}` has grown")
    return sha256_file(path / entry.path)


def _check_rejected(path: Path, manifest: Manifest) -> list[Problem]:
    file = path / REJECTED
    lines = read_regular(file).splitlines() if file.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            RejectedRecord.model_validate_json(line)
        except ValidationError as error:
            return [Problem(file=REJECTED, problem=f"line {number}: {first_problem(error)}")]
    return _compare([("num_rejected", manifest.num_rejected, len(lines))])


def _compare(claims: Sequence[tuple[str, object, object]]) -> list[Problem]:
    return [
        Problem(file=MANIFEST, problem=f"{key} says {claimed}, the files say {actual}")
        for key, claimed, actual in claims
        if claimed != actual
    ]
