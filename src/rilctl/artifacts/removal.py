"""Delete runs, each as a whole.

A run that goes is renamed first, to a hidden name beside it, and emptied then: who looks finds all of it or nothing.
What a kill leaves under such a name, `artifacts gc` sweeps.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from rilctl.artifacts.dependents import closure, users_of, uses_of
from rilctl.artifacts.layout import (
    MANIFEST,
    NOT_CONTENT,
    RUN,
    TEMPORARY_PREFIX,
    fsync_directory,
    remove_tree,
    walk_files,
)
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.stored import StoredRun, quoted, runs_below
from rilctl.errors import UsageError
from rilctl.schemas.base import StrictModel

REMOVED_PREFIX = f"{TEMPORARY_PREFIX}removed-"


class Removal(StrictModel):
    """One thing that goes."""

    path: str
    """Where it is."""
    what: Literal["run", "link", "leftover"]
    """A run's directory with all that is in it; a link, without what it leads to; what a killed command left."""
    verb: str
    """The verb that made it; empty for a leftover."""
    size_bytes: int
    """Of all files in it."""
    created_at: str
    """UTC, ISO 8601; empty where nobody knows."""
    reason: str
    """Why it goes."""
    strays: list[str]
    """Files in it that no verb wrote, a person's notes, say: they go with it."""
    lock: str | None
    """The run whose writer's lock is held while it goes; null for what nobody writes to."""


def removal_of(run: StoredRun, reason: str) -> Removal:
    """A whole run goes."""
    return Removal(
        path=str(run.path),
        what="run",
        verb=run.verb,
        size_bytes=run.size_bytes,
        created_at=run.created_at,
        reason=reason,
        strays=strays_in(run),
        lock=str(run.path),
    )


def remove(removals: Sequence[Removal], roots: Sequence[Path]) -> None:
    """Delete what was planned, in its order.

    Args:
        removals: the plan.
        roots: where it was looked for what was made from these runs.

    Raises:
        LockedError: somebody writes to one of the runs; nothing was deleted.
        UsageError: a run was made from one of them since it was planned; nothing was deleted.
        OSError: something can't be deleted; what comes before it in the plan is gone.
    """
    for lock in dict.fromkeys(each.lock for each in removals if each.lock is not None):
        with writer_lock(Path(lock)):
            pass
    going = [Path(each.path) for each in removals if each.what == "run"]
    if going:
        _refuse_new_users(going, roots)
    for each in removals:
        if each.lock is None:
            remove_tree(Path(each.path))
            continue
        with writer_lock(Path(each.lock)):
            if each.what == "run":
                _remove_run(Path(each.path))
            else:
                remove_tree(Path(each.path))


def _refuse_new_users(going: Sequence[Path], roots: Sequence[Path]) -> None:
    runs = runs_below(roots, going)
    places = {path.resolve() for path in going}
    users = closure([run.path for run in runs if run.path.resolve() in places], users_of(uses_of(runs)))
    if new := sorted(path for path in users if path.resolve() not in places):
        raise UsageError(f"{quoted(new)} was made from what would go, meanwhile", hint="run the same command again")


def _remove_run(path: Path) -> None:
    place = path.resolve()
    away = place.with_name(f"{REMOVED_PREFIX}{place.name}-{secrets.token_hex(4)}")
    place.rename(away)
    fsync_directory(away.parent)
    remove_tree(away)


def runs_inside(path: Path) -> Iterator[Path]:
    """Runs that somebody put into a run's directory."""
    for folder, _, files in os.walk(path):
        if RUN in files and Path(folder) != path:
            yield Path(folder)


def strays_in(run: StoredRun) -> list[str]:
    """Files in a finished run that no verb wrote; of an unfinished one nobody can tell."""
    if run.state != "finished":
        return []
    own = set[str]()
    for place in run.digests:
        prefix = "" if place == run.path else f"{place.name}/"
        own |= {f"{prefix}{entry.path}" for entry in read_manifest(place).files} | {f"{prefix}{MANIFEST}"}
    return [name for name, _ in walk_files(run.path) if name not in own and not _is_the_runs(name)]


def _is_the_runs(name: str) -> bool:
    return any(part in NOT_CONTENT or part.startswith(TEMPORARY_PREFIX) for part in name.split("/")[:2])
