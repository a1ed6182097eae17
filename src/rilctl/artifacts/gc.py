"""What `artifacts gc` deletes: runs that no run which is kept was made from, and what killed commands left.

Kept is every `train` and every `eval`, what was made from them, and all that these were made from. So is what has no
`train` or `eval` beside it yet, what isn't finished, what can't be read, and what has files of a person's in it.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rilctl.artifacts.dependents import Uses, closure, users_first, users_of, uses_of
from rilctl.artifacts.launches import LAUNCH_PREFIX, is_launch_over
from rilctl.artifacts.layout import PENDING_MANIFEST, RESUME, is_leftover
from rilctl.artifacts.removal import REMOVED_PREFIX, Removal, removal_of, runs_inside, strays_in
from rilctl.artifacts.removal_plan import run_at
from rilctl.artifacts.stored import StoredRun, run_places, runs_below, size_of
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel

_RESULTS = frozenset({"train", "eval"})
"""Verbs whose runs are what all others are made for."""


class KeptRun(StrictModel):
    """A run that stays."""

    path: str
    """Where it is."""
    reason: str
    """Why it stays."""


class Garbage(StrictModel):
    """What goes, and what stays."""

    removals: list[Removal]
    """Users before what they were made from, then leftovers."""
    kept: list[KeptRun]
    """Sorted by path."""


def plan_gc(root: Path, keep: Sequence[Path] = ()) -> Garbage:
    """What would go; nothing is changed.

    Args:
        root: the workspace root; nothing outside of it goes.
        keep: runs, or folders of runs, to be kept with all that they were made from, instead of every `train` and
            `eval`.

    Raises:
        ArtifactError: one of `keep` is no run, and no folder of runs.
    """
    runs = runs_below([root], [])
    # A run elsewhere that is named keeps what it was made from, and isn't listed itself.
    named = [place for path in keep for place in _named(path)]
    everything = runs_below([root], named) if named else runs
    uses = uses_of(everything)
    places = {place.resolve() for place in named}
    reasons = {run.path: "named" for run in everything if run.path.resolve() in places}
    if not keep:
        reasons = _results(runs, uses)
    for run in runs:
        if (why := _why_untouched(run)) is not None:
            reasons.setdefault(run.path, why)
    kept = closure([*reasons], uses)
    for path in kept - reasons.keys():
        user = min(user for user in kept if path in uses[user])
        reasons[path] = f"{user.relative_to(root) if user.is_relative_to(root) else user} was made from it"
    by_path = {run.path: run for run in runs}
    going = by_path.keys() - reasons.keys()
    removals = [removal_of(by_path[path], "nothing that is kept was made from it") for path in users_first(going, uses)]
    staying = [by_path[path] for path in sorted(by_path.keys() & reasons.keys())]
    removals += [left for run in staying for left in _leftovers_of(run)]
    return Garbage(
        removals=[*removals, *_leftovers_below(root)],
        kept=[KeptRun(path=str(run.path), reason=reasons[run.path]) for run in staying],
    )


def _named(path: Path) -> list[Path]:
    return (run_places(path) if path.is_dir() else []) or [run_at(path)]


def _results(runs: Sequence[StoredRun], uses: Uses) -> dict[Path, str]:
    """The runs to keep where nobody names any, each with the reason."""
    results = {run.path for run in runs if run.verb in _RESULTS}
    found = {run.path: f"a run of {run.verb}" for run in runs if run.path in results}
    for path in closure(results, users_of(uses)):
        found.setdefault(path, "made from a train or eval run")
    folders = {path.parent for path in results}
    for run in runs:
        if run.path.parent not in folders:
            found.setdefault(run.path, "no train or eval run beside it yet")
    return found


def _why_untouched(run: StoredRun) -> str | None:
    if run.state == "unreadable":
        return "can't be read, so nobody knows whose it is"
    if run.state == "unfinished":
        return "not finished"
    if strays := strays_in(run):
        return f"`{strays[0]}` in it was written by no verb"
    return "other runs are in it" if any(runs_inside(run.path)) else None


def _leftovers_of(run: StoredRun) -> Iterator[Removal]:
    """What kills left in a finished run; where a commit is to be finished, its command does that."""
    places = [run.path, *(place for place in run.digests if place != run.path)]
    if run.state != "finished" or any((place / PENDING_MANIFEST).exists() for place in places):
        return
    if (run.path / RESUME).exists():
        yield _leftover(run.path / RESUME, "its run is finished", lock=run.path)
    for place in places:
        for path in sorted(place.iterdir()):
            if is_leftover(path.name):
                yield _leftover(path, "half-written by a command that was killed", lock=run.path)


def _leftovers_below(root: Path) -> Iterator[Removal]:
    """What was about to be deleted, and what the ranks of a launch told each other."""
    for folder, folders, _ in os.walk(root):
        for name in sorted(folders):
            if name.startswith(REMOVED_PREFIX):
                yield _leftover(Path(folder, name), "half-deleted by a command that was killed")
        folders[:] = [name for name in folders if not name.startswith(".")]
    for path in sorted(root.glob(f"{LAUNCH_PREFIX}*")):
        try:
            is_over = not path.is_symlink() and is_launch_over(path)
        except OSError:  # another user's
            continue
        if is_over:
            yield _leftover(path, "its launch is over")


def _leftover(path: Path, reason: str, *, lock: Path | None = None) -> Removal:
    try:
        written = datetime.fromtimestamp(path.lstat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError as error:
        raise ArtifactError(f"`{path}` can't be read: {error.strerror}", hint="check its permissions") from error
    return Removal(
        path=str(path),
        what="leftover",
        verb="",
        size_bytes=size_of(path),
        created_at=written,
        reason=reason,
        strays=[],
        lock=None if lock is None else str(lock),
    )
