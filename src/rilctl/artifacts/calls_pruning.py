"""What the call cache holds and for whom; answers that go, and room that their file gives back.

Answers go by their asker, all of one together. Deleting is one transaction: whoever asks meanwhile waits for it, and
finds all of those answers or none. An answer that went is asked for again where it is wanted.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rilctl.artifacts.askers import UNKNOWN, has_askers
from rilctl.artifacts.calls_file import calls_path, explained, open_calls, transaction
from rilctl.artifacts.layout import MANIFEST, RUN
from rilctl.artifacts.meant import check_directory
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel


class AskedAnswers(StrictModel):
    """The answers that one run got from one model in one role."""

    number: int
    """Of the asker, in the file; 0 for those that nobody said this of."""
    role: str
    """`teacher`, `student` or `judge`; empty where nobody said."""
    model: str
    """The model's name."""
    run: str
    """The run's directory, from the workspace root on."""
    num_answers: int
    """How many."""
    size_bytes: int
    """Of keys and answers, without what the file needs to find them."""
    unused_s: float
    """Seconds since some of them were stored, or used by any run."""
    used_by: list[str]
    """The other runs that used some of them."""


class CallsSurvey(StrictModel):
    """What the call cache holds."""

    path: str
    """Its file."""
    size_bytes: int
    """Of the file, with its log."""
    free_bytes: int
    """Of these, those that hold nothing: compacting gives them back."""
    num_damaged: int
    """Answers that were changed since they were stored, and are set aside."""
    askers: list[AskedAnswers]
    """Longest unused first."""


def _existing(root: Path) -> Path:
    """The cache's file. Raises `ArtifactError` where there is none; nothing is made."""
    check_directory(root, otherwise="name the workspace root")
    path = calls_path(root)
    if not path.exists():
        above = next((folder for folder in root.parents if calls_path(folder).exists()), None)
        meant = f"did you mean `{above}`?" if above else "name the workspace root"
        raise ArtifactError(f"no call cache at `{path}`", hint=meant)
    return path


def survey(root: Path) -> CallsSurvey:
    """What the cache of a workspace holds. Raises as `CallCache` does."""
    path = _existing(root)
    database, _ = open_calls(path)
    with closing(database), explained(path):
        if not has_askers(database):  # else it was brought to this layout
            raise ArtifactError(
                f"`{path}` was written by an earlier rilctl, which didn't note who asked, and you may not write it",
                hint="ask its owner to look",
            )
        num_free = database.execute("PRAGMA freelist_count").fetchone()[0]
        page_bytes = database.execute("PRAGMA page_size").fetchone()[0]
        return CallsSurvey(
            path=str(path),
            size_bytes=_file_bytes(path),
            free_bytes=num_free * page_bytes,
            num_damaged=database.execute("SELECT count(*) FROM damaged").fetchone()[0],
            askers=sorted(_asked(database), key=lambda each: (-each.unused_s, each.number)),
        )


def choose(
    found: CallsSurvey, root: Path, *, unused_s: float | None = None, recipe: str | None = None, orphaned: bool = False
) -> list[AskedAnswers]:
    """The answers that all of some conditions hold for; none where no condition is given.

    Args:
        found: what there is.
        root: the workspace root.
        unused_s: neither stored nor used for so many seconds.
        recipe: stored and used by runs in this folder of the workspace alone.
        orphaned: of all runs that stored or used them, none is there any more.
    """
    conditions: list[Callable[[AskedAnswers], bool]] = []
    if unused_s is not None:
        conditions.append(lambda each: each.unused_s >= unused_s)
    if recipe is not None:
        folder = f"{recipe.strip('/')}/"
        conditions.append(lambda each: all(run.startswith(folder) for run in (each.run, *each.used_by)))
    if orphaned:
        # Who stored those of number 0 isn't known, so nobody knows that its run is gone.
        conditions.append(
            lambda each: each.number != UNKNOWN and not any(_is_there(root / run) for run in (each.run, *each.used_by))
        )
    return [each for each in found.askers if conditions and all(holds(each) for holds in conditions)]


def prune(root: Path, chosen: Sequence[AskedAnswers]) -> int:
    """Delete answers, but of askers whose answers were used since they were chosen; give the room back to the disk.

    Returns:
        How many went.

    Raises:
        ArtifactError: the file may not be written; else as `CallCache` does.
        LockedError: another process kept it busy for a minute.
    """
    with _open_to_write(_existing(root)) as database:
        with transaction(database):
            now = {each.number: each for each in _asked(database)}
            numbers = [(each.number,) for each in chosen if _is_as_it_was(each, now.get(each.number))]
            num = sum(now[number].num_answers for (number,) in numbers)
            database.executemany("DELETE FROM calls WHERE asker = ?", numbers)
            database.executemany("DELETE FROM uses WHERE asker = ?", numbers)
            database.executemany(f"DELETE FROM askers WHERE id = ? AND id <> {UNKNOWN}", numbers)
        if num:
            _compact(database)
    return num


def _is_as_it_was(chosen: AskedAnswers, now: AskedAnswers | None) -> bool:
    """Whether it is the same asker, whose number is another one's once it has gone, and hasn't used its answers since.

    Times are in seconds: where the clock went on and nothing else, more of them have passed.
    """
    if now is None or (now.role, now.model, now.run) != (chosen.role, chosen.model, chosen.run):
        return False
    return now.unused_s >= chosen.unused_s


def compact(root: Path) -> int:
    """Write the file anew without the room that nothing needs; no answer is lost, also by a kill.

    It needs as much free disk space meanwhile as the file has. Other processes read on and wait with writing.

    Returns:
        Bytes that the file is smaller now.

    Raises:
        ArtifactError: the file may not be written, or the disk is full; else as `CallCache` does.
        LockedError: another process kept it busy for a minute.
    """
    path = _existing(root)
    before = _file_bytes(path)
    with _open_to_write(path) as database:
        _compact(database)
    return max(0, before - _file_bytes(path))


@contextmanager
def _open_to_write(path: Path) -> Iterator[sqlite3.Connection]:
    database, is_writable = open_calls(path)
    with closing(database), explained(path):
        if not is_writable:
            raise ArtifactError(f"the call cache `{path}` can't be written", hint="ask its owner to do this")
        yield database


def _compact(database: sqlite3.Connection) -> None:
    database.execute("VACUUM")
    # Where another process reads at this moment, the file gets smaller at a later checkpoint.
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _asked(database: sqlite3.Connection) -> list[AskedAnswers]:
    now = time.time()
    uses: dict[int, dict[str, int]] = {}
    for number, run, used_at in database.execute("SELECT asker, run, used_at FROM uses"):
        uses.setdefault(number, {})[run.decode()] = used_at
    names = {number: tuple(map(bytes.decode, row)) for number, *row in database.execute("SELECT * FROM askers")}
    counts = "SELECT asker, count(*), sum(length(CAST(value AS BLOB)) + length(key)) FROM calls GROUP BY asker"
    found = []
    for number, num, size in database.execute(counts):
        role, model, run = names.get(number, ("", "", ""))
        used = uses.get(number, {})
        found.append(
            AskedAnswers(
                number=number,
                role=role,
                model=model,
                run=run,
                num_answers=num,
                size_bytes=size,
                unused_s=max(0.0, now - max(used.values(), default=0)),
                used_by=sorted({*used} - {run, ""}),
            )
        )
    return found


def _is_there(run: Path) -> bool:
    return (run / RUN).exists() or (run / MANIFEST).exists()


def _file_bytes(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)
