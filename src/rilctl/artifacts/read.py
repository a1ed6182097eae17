"""Read artifacts: find them, check them, hand out their rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rilctl.artifacts.check import check_file, check_files, check_log, refuse_unlisted
from rilctl.artifacts.layout import MANIFEST, REBUILD_HINT, REJECTED, RUN, read_regular
from rilctl.artifacts.manifests import interrupted, read_manifest
from rilctl.artifacts.meant import did_you_mean, instead_of_file
from rilctl.artifacts.roles import artifacts_in, missing_roles
from rilctl.artifacts.row_files import RowFiles
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.tables import Row, is_shard, read_shard, read_shard_table
from rilctl.artifacts.walk import FOLDER_LEVELS, walk_runs
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import ROW_TYPES, ArtifactKind, ArtifactSummary, FileEntry, InputEntry, Manifest
from rilctl.schemas.records import RejectedRecord

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "MADE_BY",
    "check_files",
    "check_log",
    "input_entry",
    "open_rows",
    "read_manifest",
    "read_rejected",
    "read_rows",
    "read_table",
    "resolve",
    "summarize",
    "summary_of",
    "whole",
]

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
_MOST_NAMED: Final = 4
"""Of the artifacts that may be meant."""


def resolve(path: Path, kind: ArtifactKind) -> Path:
    """Find the artifact of `kind` that a person means by `path`.

    That is `path` itself, its child named as the kind, or its only child of that kind; of a folder of runs, the only
    artifact of that kind in it.

    Raises:
        ArtifactError: nothing is there, it is half-written or interrupted, of another kind, or can't be read.
    """
    try:
        return _resolve(path, kind)
    except OSError as error:
        raise unreadable(path, error) from error


def _resolve(path: Path, kind: ArtifactKind) -> Path:
    _check_directory(path, kind)
    if (path / MANIFEST).exists():
        found = read_manifest(path).kind
        if found != kind:
            raise ArtifactError(f"`{path}` holds {_some(found)}, not {_some(kind)}", hint=_maker(kind))
        return whole(path)
    below = [] if (path / RUN).exists() else [*walk_runs(path, most_levels=FOLDER_LEVELS)]
    if any((each / RUN).exists() for each in below):
        return _only_one(path, kind, below)
    children = {child: read_manifest(child).kind for child in artifacts_in(path)}
    if children.get(path / kind) == kind:
        return whole(path / kind)
    if kind in missing_roles(path):
        raise ArtifactError(
            f"`{path / kind}` is not there, or has lost its {MANIFEST}: `{path}` is not whole", hint=REBUILD_HINT
        )
    fitting = [child for child, found in children.items() if found == kind]
    if len(fitting) == 1:
        return whole(fitting[0])
    if fitting:
        names = ", ".join(f"`{child.name}`" for child in fitting)
        raise ArtifactError(f"`{path}` holds several of kind {kind}: {names}", hint="name one of them")
    if (path / RUN).exists() and (not children or (path / kind).is_dir()):
        raise interrupted(path)
    if children:
        held = ", ".join(f"`{child.name}` ({found})" for child, found in children.items())
        raise ArtifactError(f"`{path}` holds {held}, but no {kind}", hint=_maker(kind))
    raise ArtifactError(f"`{path}` is no artifact: it has no {MANIFEST}", hint=_maker(kind))


def _only_one(path: Path, kind: ArtifactKind, found: Sequence[Path]) -> Path:
    """The one artifact of a kind below a folder of runs, which doesn't say itself which of several is meant."""
    fitting = [each for each in found if _is_of_kind(each, kind)]
    if len(fitting) == 1:
        return whole(fitting[0])
    if fitting:
        names = ", ".join(f"`{each}`" for each in fitting[:_MOST_NAMED])
        more = f"; `rilctl artifacts ls {path}` lists all" if len(fitting) > _MOST_NAMED else ""
        raise ArtifactError(
            f"`{path}` is a folder of runs, with several of kind {kind}", hint=f"name one of them: {names}{more}"
        )
    raise ArtifactError(f"`{path}` is a folder of runs, and none of them has made {_some(kind)}", hint=_maker(kind))


def _is_of_kind(path: Path, kind: ArtifactKind) -> bool:
    try:
        return read_manifest(path).kind == kind
    except ArtifactError:
        return False  # who names that one is told


def _some(kind: ArtifactKind) -> str:
    """The kind in a sentence; some are plural."""
    return kind if kind.endswith("s") else f"an {kind}" if kind[0] == "e" else f"a {kind}"


def _maker(kind: ArtifactKind) -> str:
    return f"`rilctl {MADE_BY[kind]}` makes {_some(kind)}"


def whole(path: Path) -> Path:
    """The path itself, if a finished artifact stands there. Raises `ArtifactError`, also as `read_manifest` does."""
    if read_manifest(path).status == "partial":
        raise ArtifactError(
            f"`{path}` is partial: the command that made it was interrupted",
            hint="run the same command again; it goes on where it stopped",
        )
    return path


def read_rows(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """The rows of an artifact, in the order of writing; each shard is verified before its rows are used.

    Args:
        path: the artifact's directory, as `resolve` gives it.
        row_type: the row model of its kind.

    Raises:
        ArtifactError: at once: partial, of another kind, or a file stands there that isn't listed; while reading: a
            shard is missing, was changed, a row doesn't fit the model, or there are more or fewer than it says.
    """
    manifest = _of_type(path, row_type)
    return _rows(path, manifest, _shards(path, manifest), row_type)


def open_rows(path: Path, row_type: type[Row]) -> RowFiles:
    """The rows of an artifact to be read as they are needed; all of its shards are verified first.

    Args:
        path: the artifact's directory, as `resolve` gives it.
        row_type: the row model of its kind.

    Raises:
        ArtifactError: partial, of another kind, a file stands there that isn't listed, a shard is missing or was
            changed, or there are more or fewer rows than it says.
    """
    manifest = _of_type(path, row_type)
    shards = _shards(path, manifest)
    for entry in shards:
        check_file(path, entry)
    files = RowFiles([path / entry.path for entry in shards], row_type)
    if manifest.num_rows is not None and files.num_rows != manifest.num_rows:
        raise _miscounted(path, manifest.num_rows, str(files.num_rows))
    return files


def read_table(path: Path) -> "pa.Table":
    """The rows of an artifact all at once, in the order of writing, with the columns that its files have.

    Args:
        path: the artifact's directory, as `resolve` gives it.

    Raises:
        ArtifactError: partial, of a kind without rows, a shard is missing or was changed, or a file stands there that
            isn't listed.
    """
    import pyarrow as pa

    manifest = read_manifest(whole(path))
    if manifest.kind not in ROW_TYPES:
        raise ArtifactError(
            f"`{path}` holds {_some(manifest.kind)}, which has no rows", hint=f"name one of {', '.join(ROW_TYPES)}"
        )
    tables = []
    for entry in _shards(path, manifest):
        check_file(path, entry)
        tables.append(read_shard_table(path / entry.path))
    return pa.concat_tables(tables)


def read_rejected(path: Path) -> list[RejectedRecord]:
    """The rows that an artifact had to leave out, with their reasons. Raises `ArtifactError` as `read_rows` does."""
    manifest = read_manifest(path)
    refuse_unlisted(path, manifest)
    entry = next((entry for entry in manifest.files if entry.path == REJECTED), None)
    if entry is None:
        return []
    check_file(path, entry)
    return [RejectedRecord.model_validate_json(line) for line in read_regular(path / REJECTED).splitlines()]


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


def _of_type(path: Path, row_type: type[Row]) -> Manifest:
    manifest = read_manifest(whole(path))
    if ROW_TYPES.get(manifest.kind) is not row_type:
        raise ArtifactError(
            f"`{path}` holds {_some(manifest.kind)}, which has no rows of type {row_type.__name__}",
            hint="name an artifact that has",
        )
    return manifest


def _shards(path: Path, manifest: Manifest) -> list[FileEntry]:
    refuse_unlisted(path, manifest)
    return sorted((entry for entry in manifest.files if is_shard(entry.path)), key=lambda entry: entry.path)


def _rows(path: Path, manifest: Manifest, shards: list[FileEntry], row_type: type[Row]) -> Iterator[Row]:
    num_rows = 0
    for entry in shards:
        check_file(path, entry)
        for row in read_shard(path / entry.path, row_type):
            num_rows += 1
            if manifest.num_rows is not None and num_rows > manifest.num_rows:
                raise _miscounted(path, manifest.num_rows, "more")
            yield row
    if manifest.num_rows is not None and num_rows < manifest.num_rows:
        raise _miscounted(path, manifest.num_rows, str(num_rows))


def _miscounted(path: Path, claimed: int, found: str) -> ArtifactError:
    return ArtifactError(f"`{path / MANIFEST}` says {claimed} rows, and there are {found}", hint=REBUILD_HINT)


def _check_directory(path: Path, kind: ArtifactKind) -> None:
    if not path.exists():
        raise ArtifactError(
            f"no {kind} at `{path}`: it doesn't exist",
            hint=did_you_mean(path) or _maker(kind),
        )
    if not path.is_dir():
        raise ArtifactError(
            f"no {kind} at `{path}`: it is a file", hint=instead_of_file(path) or "name the artifact's directory"
        )
