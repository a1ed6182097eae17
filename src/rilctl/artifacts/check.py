"""What a reader checks before it uses an artifact's files: all that are listed, and that no others stand there."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from rilctl.artifacts.digests import sha256_file
from rilctl.artifacts.layout import MANIFEST, NOT_CONTENT, REBUILD_HINT, is_leftover, walk_files
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.sealed import unreadable
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import FileEntry, Manifest


def check_files(path: Path) -> None:
    """Verify all files of an artifact; for weights, before a model is loaded from them.

    Raises:
        ArtifactError: a file is missing, was changed, or isn't listed.
    """
    manifest = read_manifest(path)
    refuse_unlisted(path, manifest)
    for entry in manifest.files:
        check_file(path, entry)


def check_file(path: Path, entry: FileEntry, *, hint: str = REBUILD_HINT) -> None:
    """Verify size and sha256 of one file of the artifact at `path`, or of a directory with a list of its own.

    Args:
        path: the directory.
        entry: what was written there.
        hint: what to do where it isn't there as it was.

    Raises:
        ArtifactError: it is missing or was changed; the message names it, and the expected and actual digest.
    """
    file = path / entry.path
    if file.is_symlink():
        raise ArtifactError(f"`{file}` is a symbolic link, not the file that was written", hint=hint)
    try:
        size = file.stat().st_size
        is_longer = size > entry.size_bytes and file.is_file()  # by terabytes, perhaps
        actual = "not read" if is_longer else sha256_file(file)
    except OSError as error:
        raise unreadable(file, error, hint=hint) from error
    if (size, actual) != (entry.size_bytes, entry.sha256):
        was = f"{entry.size_bytes} bytes, sha256 {entry.sha256}"
        raise ArtifactError(
            f"`{file}` was changed since it was written: expected {was}, found {size} bytes, sha256 {actual}",
            hint=hint,
        )


def refuse_others(directory: Path, names: Collection[str], *, hint: str) -> None:
    """Raise `ArtifactError` if a file stands in a directory of ours that isn't among these names."""
    for name, file in walk_files(directory):
        if name not in names:
            raise ArtifactError(f"`{file}` was not written by this run", hint=hint)


def check_log(file: Path) -> None:
    """Verify a log of a finished run; that of a run that goes on is nowhere listed, and passes.

    Raises:
        ArtifactError: it was changed since the run finished, or a manifest beside it was.
    """
    run = file.parent
    for manifest_file in [run / MANIFEST, *run.glob(f"*/{MANIFEST}")]:
        if manifest_file.is_file():
            for entry in read_manifest(manifest_file.parent).logs:
                if entry.path == file.name:
                    check_file(run, entry)


def refuse_unlisted(path: Path, manifest: Manifest) -> None:
    """Raise `ArtifactError` if a file stands in an artifact that its manifest doesn't list: it may be loaded as well.

    A tokenizer's `added_tokens.json`, say, changes what a model reads, and no listed file.
    """
    try:
        odd = next(unlisted(path, manifest), None)
    except OSError as error:
        raise unreadable(path, error) from error
    if odd is not None:
        raise ArtifactError(f"`{path / odd}` is not in the manifest of `{path}`", hint="move it away, if it is yours")


def unlisted(path: Path, manifest: Manifest) -> Iterator[str]:
    """Names of the files in an artifact's directory that are neither listed, nor the run's, nor left over of ours."""
    listed = {MANIFEST, *(entry.path for entry in manifest.files)}
    of_run: Iterable[str] = () if manifest.roles else NOT_CONTENT
    for name, _ in walk_files(path):
        if name not in listed and name.split("/", 1)[0] not in of_run and not is_leftover(name):
            yield name
