"""The names inside an artifact or run directory, and how a file gets there whole.

    out/
      run.json            what this directory is for: verb, config, inputs, provenance digest
      .lock, .lock.json   the one writer, and who that is
      resume/             private scratch of the run; never passed on, `rollouts.jsonl` of a run under way with it
      training/           the last checkpoint of a finished run, where its recipe keeps that
      metrics.jsonl …     the run's log
      trackers/, profile/ mirrors of the log, and traces of some steps; nobody reads them but people
      manifest.json       written last: from here on the directory is an artifact
      rows-00000-of-00002.parquet, rejected.jsonl, model.safetensors, …
      .tmp-staging/       files on their way in
      ROLE/               for verbs with several outputs: manifest.json and files of that output

Everything named `.tmp-*` is ours, half-done, and swept when the next writer starts.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Final

MANIFEST: Final = "manifest.json"
RUN: Final = "run.json"
REJECTED: Final = "rejected.jsonl"
RESUME: Final = "resume"
TRAINING: Final = "training"
LOCK: Final = ".lock"
LOCK_HOLDER: Final = ".lock.json"
METRICS: Final = "metrics.jsonl"
TIMINGS: Final = "timings.jsonl"
ROLLOUT_LOG: Final = "rollouts.jsonl"
TRACKERS: Final = "trackers"
PROFILE: Final = "profile"
TEMPORARY_PREFIX: Final = ".tmp-"
STAGING: Final = ".tmp-staging"
PENDING_MANIFEST: Final = ".tmp-manifest.json"
REPLACED_MANIFEST: Final = ".tmp-replaced.json"

MOST_BYTES: Final = 1 << 30
"""Of a file that is read at once: a larger one fills the memory before anybody can say what is wrong with it."""
MOST_JSON_BYTES: Final = 32 << 20
"""Of a manifest, a configuration and the like; what is read of it may take twenty times as much memory."""

REBUILD_HINT: Final = "copy it again from where it is intact, or delete the directory and run the command that made it"
"""What to do about a damaged artifact."""

LOGS: Final = (METRICS, TIMINGS)
"""What a run notes step by step."""

FOR_PEOPLE: Final = frozenset({TRACKERS, PROFILE})
"""Folders of a run that may hold anything: no verb reads them, and no manifest lists them."""

SCRATCH: Final = frozenset({RESUME, TRAINING})
"""Folders of a run that hold no artifact, whatever lies in them."""

NOT_CONTENT: Final = frozenset({MANIFEST, RUN, *SCRATCH, LOCK, LOCK_HOLDER, *LOGS, *FOR_PEOPLE})
"""Top-level names that belong to the run, not to the artifact: never listed in a manifest's `files`."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the operating system name the file, also those of writing, syncing and closing, which don't.

    Args:
        path: what is being written, or its folder.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.strerror is not None:
            raise
        reason = error.strerror or str(error) or type(error).__name__
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error


def fsync_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Wait until the directory's entries (renames, new files) are on the disk."""
    fsync_file(path)


def make_directory(path: Path) -> None:
    """Make a directory that outlives a power cut, with those above it; one that is there stays."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        fsync_directory(folder.parent)


def remove_tree(path: Path) -> None:
    """Delete a directory with all that is in it; an error names the directory, not a file without its folder.

    What stands in its place, a link to elsewhere, say, is deleted, and nothing that it leads to.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def copy_files(source: Path, target: Path) -> None:
    """Copy every file of a directory into another; the first that fails ends it, with an error that names it."""
    for name, path in walk_files(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)


def link_files(source: Path, target: Path) -> None:
    """`copy_files` of files that nobody changes: a second name for each, where the file system has such."""
    for name, path in walk_files(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target / name)
        except OSError:
            shutil.copyfile(path, target / name)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none, also after a crash."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name.removeprefix(TEMPORARY_PREFIX)}.part")
    with naming(path):
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    fsync_directory(path.parent)


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; where a pipe or a device took its place, nobody waits for that.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "is no regular file", str(path))
    return file


def read_regular(path: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """All bytes of a file; see `open_regular`. Raises `OSError` as well where there are more than may be."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise OSError(0, f"has more than {most_bytes:,} bytes, which no such file has", str(path))
        return file.read(most_bytes)


def walk_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """(relative name with forward slashes, path) of every file below `directory`, sorted by name.

    Raises:
        OSError: a folder of it may not be read.
    """

    def fail(error: OSError) -> None:
        raise error

    found = []
    for folder, folders, files in os.walk(directory, onerror=fail):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found += [Path(folder, name) for name in (*files, *links)]
    yield from sorted((path.relative_to(directory).as_posix(), path) for path in found)


def content_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """`walk_files` without what belongs to the run: its log, lock, scratch and temporary files."""
    for name, path in walk_files(directory):
        top = name.split("/", 1)[0]
        if top not in NOT_CONTENT and not top.startswith(TEMPORARY_PREFIX):
            yield name, path


def is_leftover(name: str) -> bool:
    """Whether a file, named as by `walk_files`, is ours and half-done: the next writer sweeps it."""
    top = name.split("/", 1)[0]
    return top in (STAGING, PENDING_MANIFEST, REPLACED_MANIFEST) or (
        top.startswith(TEMPORARY_PREFIX) and top.endswith(".part")
    )


def is_safe_name(name: str) -> bool:
    """Whether a name from a manifest stays inside the artifact's directory."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and "\\" not in name and ".." not in parts
