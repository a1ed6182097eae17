"""How files become an artifact, so that a crash at any point leaves either no manifest or a valid one.

1. Files are written under `.tmp-staging/` and synced, and so are their names.
2. The manifest is written as `.tmp-manifest.json`: from here on the commit can be finished from what is on disk.
3. A partial artifact that is replaced loses its manifest first, then its files.
4. The files move into place, directories are synced, and the manifest gets its name.

A crash before 2 loses only staged files; a crash after 2 is finished by `recover` when the next writer starts.
"""

import shutil
from pathlib import Path

from rilctl.artifacts.digests import sha256_file
from rilctl.artifacts.layout import (
    MANIFEST,
    PENDING_MANIFEST,
    REPLACED_MANIFEST,
    STAGING,
    TEMPORARY_PREFIX,
    fsync_directory,
    fsync_file,
    remove_tree,
    walk_files,
    write_atomic,
)
from rilctl.artifacts.manifests import parse_manifest
from rilctl.artifacts.sealed import sealed_json
from rilctl.errors import UsageError
from rilctl.schemas.manifest import FileEntry, Manifest


def list_staged(path: Path) -> list[FileEntry]:
    """Sync and describe every staged file of the artifact at `path`; all may be read by whom the umask lets read.

    Weights come from a library that lets their owner alone read them.
    """
    mode = (path / STAGING).stat().st_mode & 0o666  # the folder is new, and so shows the umask
    for _, file in walk_files(path / STAGING):
        file.chmod(mode)
    return describe_all(path / STAGING)


def describe_all(folder: Path) -> list[FileEntry]:
    """Sync and describe every file below a folder; their names are synced as well."""
    entries = [describe(folder, name) for name, _ in walk_files(folder)]
    for parent in {folder / parent for entry in entries for parent in Path(entry.path).parents}:
        fsync_directory(parent)
    return entries


def describe(folder: Path, name: str) -> FileEntry:
    """Sync a file and describe it."""
    fsync_file(folder / name)
    return FileEntry(path=name, size_bytes=(folder / name).stat().st_size, sha256=sha256_file(folder / name))


def commit_files(path: Path, manifest: Manifest) -> None:
    """Move the staged files into place and write the manifest.

    Raises:
        UsageError: a file that is not ours is in the way; nothing was changed.
    """
    current = path / MANIFEST
    ours = {entry.path for entry in parse_manifest(current).files} if current.exists() else set()
    for entry in manifest.files:
        if entry.path not in ours and (path / entry.path).exists():
            raise UsageError(
                f"`{path / entry.path}` is in the way of a file of the same name, and was not written by this run",
                hint="move it away, then run the same command again",
            )
    write_atomic(path / PENDING_MANIFEST, sealed_json(manifest))
    _finish(path, manifest)


def recover(path: Path) -> None:
    """Finish a commit that was cut off, and sweep temporary files; only the holder of the writer lock may call it."""
    if (path / STAGING).is_symlink():
        remove_tree(path / STAGING)
    if (path / PENDING_MANIFEST).exists():
        _finish(path, parse_manifest(path / PENDING_MANIFEST))
    for leftover in [path / PENDING_MANIFEST, path / REPLACED_MANIFEST, *path.glob(f"{TEMPORARY_PREFIX}*.part")]:
        leftover.unlink(missing_ok=True)
    remove_tree(path / STAGING)


def _finish(path: Path, manifest: Manifest) -> None:
    """Steps 3 and 4; every one of them can be repeated."""
    if (path / MANIFEST).exists():
        (path / MANIFEST).replace(path / REPLACED_MANIFEST)
        fsync_directory(path)
    if (path / REPLACED_MANIFEST).exists():
        for entry in parse_manifest(path / REPLACED_MANIFEST).files:
            (path / entry.path).unlink(missing_ok=True)
        (path / REPLACED_MANIFEST).unlink()
        fsync_directory(path)
    folders = {path}
    for entry in manifest.files:
        staged, target = path / STAGING / entry.path, path / entry.path
        if staged.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
        folders |= {path / parent for parent in Path(entry.path).parents}
    for folder in folders:
        fsync_directory(folder)
    (path / PENDING_MANIFEST).replace(path / MANIFEST)
    fsync_directory(path)
    shutil.rmtree(path / STAGING, ignore_errors=True)
