"""The files of a directory under `resume/`, with digests: as they were written, or the run is refused."""

from collections.abc import Sequence
from pathlib import Path

from rilctl.artifacts.digests import sha256_file
from rilctl.artifacts.layout import fsync_directory, fsync_file, walk_files
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import FileEntry


def synced_entries(directory: Path) -> list[FileEntry]:
    """All files below a directory, when they are on the disk."""
    entries = []
    for name, path in walk_files(directory):
        fsync_file(path)
        entries.append(FileEntry(path=name, size_bytes=path.stat().st_size, sha256=sha256_file(path)))
    for folder in {directory, *(path.parent for _, path in walk_files(directory))}:
        fsync_directory(folder)
    return entries


def check_names(directory: Path, entries: Sequence[FileEntry], *, hint: str, besides: str | None = None) -> None:
    """Raise `ArtifactError` where a file of a directory is gone, or came later.

    Args:
        directory: where.
        entries: what was written there.
        hint: what to do.
        besides: a file that is there, and no entry.
    """
    there, written = {name for name, _ in walk_files(directory)} - {besides}, {entry.path for entry in entries}
    for name in sorted(written - there):
        raise ArtifactError(f"`{directory / name}` is gone", hint=hint)
    for name in sorted(there - written):
        raise ArtifactError(f"`{directory / name}` was not written by this run", hint=hint)


def check_bytes(directory: Path, entries: Sequence[FileEntry], *, hint: str) -> None:
    """Raise `ArtifactError` where a file isn't as it was written."""
    for entry in entries:
        path = directory / entry.path
        if path.stat().st_size != entry.size_bytes or sha256_file(path) != entry.sha256:
            raise ArtifactError(f"`{path}` was changed since it was written", hint=hint)
