"""Cut the power while a command runs, in a state that a file system may leave; start it again; nothing came of it.

The command's operations are recorded once, and each trial rebuilds what may be on the disk after the first few of them.
Every other trial cuts the power a second time, in the run that goes on from there.
"""

import random
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from .disk import Disk
from .processes import Processes
from .shim import Kind, Operation, read_log
from .trials import Count, Subject, contents, copy, problems_of, rerun


def power_cuts(processes: Processes, subject: Subject, num: int, chance: random.Random) -> Count:
    """Of `num` trials, every eighth cuts the power when the command has just ended: all must be there."""
    count = Count(subject.name, len(subject.operations))
    for index in range(num):
        count.num_trials += 1
        workspace = subject.before.with_name("disturbed")
        for problem in _trial(processes, subject, workspace, index, chance, count):
            count.problems.append(f"{subject.name}, power cut {index}, {problem}")
        shutil.rmtree(workspace)
    return count


def _trial(
    processes: Processes, subject: Subject, workspace: Path, index: int, chance: random.Random, count: Count
) -> Iterable[str]:
    has_journal, is_over, operations = bool(index % 2), index % 8 == 7, subject.operations
    place = len(operations) if is_over else _place(operations, chance)
    said = f"{'a' if has_journal else 'no'} journal, after {place} of {len(operations)}"
    _cut(subject.before, operations[:place], workspace, chance, has_journal=has_journal)
    count.num_faults += 1
    lost = _lost(workspace, subject) if is_over else []
    yield from (f"{said}: {problem}" for problem in [*problems_of(workspace), *lost])
    if index % 4 < 2:
        first, again, log = (workspace.with_name(name) for name in ("first", "again", "log"))
        workspace.rename(first)
        log.touch()
        processes.run(copy(first, again), subject.command, num_ranks=subject.num_ranks, log=log)
        operations = [*read_log(log, again / "runs")]
        place = _place(operations, chance)
        said += f", then after {place} of {len(operations)}"
        _cut(first, operations[:place], workspace, chance, has_journal=has_journal)
        count.num_faults += 1
        yield from (f"{said}: {problem}" for problem in problems_of(workspace))
        log.unlink()
        for folder in (first, again):
            shutil.rmtree(folder)
    yield from (f"{said}: {problem}" for problem in rerun(processes, subject, workspace))


def _cut(
    before: Path, operations: Sequence[Operation], workspace: Path, chance: random.Random, *, has_journal: bool
) -> None:
    """Make `workspace` what `before` may be after these operations and a power cut."""
    disk = Disk(before / "runs", has_journal=has_journal)
    for operation in operations:
        disk.do(operation)
    copy(before, workspace, but="runs")
    disk.write_after_power_cut(workspace / "runs", chance)


def _place(operations: Sequence[Operation], chance: random.Random) -> int:
    """How many operations come before the cut; half of the cuts come beside one that isn't a write."""
    places = range(len(operations) + 1)
    beside = [at for at in places[:-1] if operations[at].kind is not Kind.WRITE]
    return chance.choice(beside if beside and chance.random() < 0.5 else places)


def _lost(workspace: Path, subject: Subject) -> Iterable[str]:
    """What a command that has ended had made, and isn't there."""
    found = contents(workspace)
    for name, expected in subject.expected.items():
        if name != "files" and found.get(name) != expected:
            yield f"{name} isn't there, though the command had ended"
