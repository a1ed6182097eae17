"""Which runs were made from which, by the digests of their inputs."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rilctl.artifacts.lineage import find_input
from rilctl.artifacts.stored import StoredRun
from rilctl.schemas.manifest import InputEntry

Uses = Mapping[Path, frozenset[Path]]
"""For each run what it was made from, one step back: other runs, or artifacts of theirs."""


def uses_of(runs: Sequence[StoredRun]) -> Uses:
    """What each of some runs was made from, of the same runs; see `artifact_uses` for how that is found."""
    owners = {place: run.path for run in runs for place in run.digests}
    return {path: frozenset(owners[place] for place in places) - {path} for path, places in artifact_uses(runs).items()}


def artifact_uses(runs: Sequence[StoredRun]) -> Uses:
    """For each run the artifacts that it was made from, of the same runs.

    Of several artifacts with one content that is the one where its manifest says, or where that was moved; if neither
    is among them, it is all of them.
    """
    holders: dict[str, list[Path]] = {}
    for run in runs:
        for place, digest in run.digests.items():
            holders.setdefault(digest, []).append(place)
    return {
        run.path: frozenset(
            place
            for entry in run.inputs
            if entry.kind in ("artifact", "model")  # a plain directory of a student's files is that student
            for place in _the_one(run, entry, holders.get(entry.digest, []))
        )
        for run in runs
    }


def artifact_users(runs: Sequence[StoredRun]) -> dict[Path, list[Path]]:
    """For each artifact the runs that were made from it, sorted; those of its own run don't count."""
    found: dict[Path, list[Path]] = {}
    for user, places in sorted(artifact_uses(runs).items()):
        for place in places:
            if user not in (place, place.parent):
                found.setdefault(place, []).append(user)
    return found


def _the_one(user: StoredRun, entry: InputEntry, holders: Sequence[Path]) -> Sequence[Path]:
    if len(holders) > 1:
        found, state = find_input(user.path, entry)
        if found is not None and state == "ok" and (same := [p for p in holders if p.resolve() == found.resolve()]):
            return same
    return holders


def users_of(uses: Uses) -> Uses:
    """For each run the others that were made from it, one step on: `uses_of` the other way round."""
    return {path: frozenset(user for user, used in uses.items() if path in used) for path in uses}


def closure(begin: Collection[Path], steps: Uses) -> set[Path]:
    """The runs to begin with, and all that are reached from them."""
    found, left = set[Path](), [*begin]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += steps.get(path, ())
    return found


def users_first(paths: Collection[Path], uses: Uses) -> list[Path]:
    """Some runs in an order in which each stands before those that it was made from."""
    ordered: list[Path] = []
    seen = set[Path]()

    def visit(path: Path) -> None:
        if path in seen:
            return
        seen.add(path)
        for used in sorted(uses.get(path, ())):
            visit(used)
        ordered.append(path)

    for path in sorted(paths):
        visit(path)
    return [path for path in reversed(ordered) if path in paths]
