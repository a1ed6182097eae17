"""The folder of a rehearsal: made, or emptied when nobody writes there any more."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rilctl.artifacts.layout import LOCK, LOCK_HOLDER, write_atomic
from rilctl.artifacts.locks import Waiting, writer_lock
from rilctl.errors import UsageError

REPORT = "rehearsal.json"
"""Written first and last: what makes a folder a rehearsal's, to be replaced by the next one."""


@contextmanager
def own_folder(folder: Path, waiting: Waiting) -> Iterator[None]:
    """Inside, the folder is empty but for what this process puts there; an earlier rehearsal has gone.

    Args:
        folder: made if it isn't there.
        waiting: how to wait for a rehearsal that runs there, and for commands that a killed one has left behind.

    Raises:
        UsageError: something else is there; nothing was changed.
        LockedError: see `writer_lock`.
    """
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with writer_lock(folder, waiting):
        for lock in sorted(folder.glob(f"*/**/{LOCK}")):
            with writer_lock(lock.parent, waiting):
                pass
        for entry in sorted(_entries(folder), key=lambda entry: entry.name == REPORT):  # a kill leaves it to the last
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        write_atomic(folder / REPORT, json.dumps({"status": "running"}).encode())
        yield


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and any(_entries(folder)) and not (folder / REPORT).is_file():
        raise UsageError(f"{folder} is no folder of a rehearsal", hint="choose another one with `--out`")


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name not in (LOCK, LOCK_HOLDER)]
