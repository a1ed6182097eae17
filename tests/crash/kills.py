"""Kill a command at an operation on a file, or let the operation fail; run it again; nothing came of it."""

import os
import random
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from .processes import Ended, Processes
from .shim import ERRORS, Fault, Kind, Mode
from .trials import Count, Subject, copy, left_behind, problems_of, rerun

_SAID = (1, 2, 5, 6)
"""Exit codes of a command that says what went wrong."""
LONGEST_CHAIN = 4


def kills(processes: Processes, subject: Subject, num: int, chance: random.Random) -> Count:
    """SIGKILL before an operation, or in the middle of it: half a write is done."""
    faults = [[Fault(at, chance.choice((Mode.KILL, Mode.TEAR)))] for at in _places(subject, num, chance)]
    return tried(processes, subject, faults)


def failures(processes: Processes, subject: Subject, num: int, chance: random.Random) -> Count:
    """An operation fails; on a full disk, all that follow and need space do."""
    faults = [[Fault(at, Mode.FAIL, chance.choice(ERRORS))] for at in _places(subject, num, chance)]
    return tried(processes, subject, faults)


def chains(processes: Processes, subject: Subject, num: int, chance: random.Random) -> Count:
    """The rerun is killed as well, and the rerun of that."""
    faults = []
    for _ in range(num):
        length = chance.randint(2, LONGEST_CHAIN)
        places = [chance.randint(1, len(subject.operations)) for _ in range(length)]
        faults.append([Fault(at, chance.choice((Mode.KILL, Mode.TEAR))) for at in places])
    return tried(processes, subject, faults)


def _places(subject: Subject, num: int, chance: random.Random) -> list[int]:
    """Operations, counted from 1: all, or a sample, half of which aren't writes, of which there are very many."""
    every = range(1, len(subject.operations) + 1)
    if num >= len(every):
        return [*every]
    rare = [at for at in every if subject.operations[at - 1].kind is not Kind.WRITE]
    drawn = {*chance.sample(rare, min(num // 2, len(rare)))}
    return sorted(drawn | {*chance.sample([at for at in every if at not in drawn], num - len(drawn))})


def tried(processes: Processes, subject: Subject, trials: Sequence[Sequence[Fault]]) -> Count:
    """Each trial: these faults, one in each start, then a start without any."""
    count = Count(subject.name, len(subject.operations))
    for faults in trials:
        workspace = copy(subject.before, subject.before.with_name("disturbed"))
        count.num_trials += 1
        for problem in _trial(processes, subject, workspace, faults, count):
            said = ", then ".join(f"{fault.mode.name.lower()} {fault.error or ''} at {fault.at}" for fault in faults)
            count.problems.append(f"{subject.name}, {said}: {problem}")
        shutil.rmtree(workspace)
    return count


def _trial(
    processes: Processes, subject: Subject, workspace: Path, faults: Sequence[Fault], count: Count
) -> Iterable[str]:
    for fault in faults:
        ended = processes.run(workspace, subject.command, fault, num_ranks=subject.num_ranks)
        yield from (f"({ended.hit}) {problem}" for problem in _ends_well(ended, fault, workspace))
        if ended.hit is None:
            break
        count.num_faults += 1
        yield from (f"({ended.hit}) {problem}" for problem in problems_of(workspace))
    yield from (f"({ended.hit}) {problem}" for problem in rerun(processes, subject, workspace))


def _ends_well(ended: Ended, fault: Fault, workspace: Path) -> Iterable[str]:
    yield from left_behind(ended)
    if ended.hit is None or fault.mode is not Mode.FAIL:
        return
    if {*ended.codes} == {0}:  # it needed that not
        return
    if not {*ended.codes} <= {0, *_SAID}:
        yield f"it ended with {ended.codes}: {ended.stderr[-400:]}"
    elif "internal error" in ended.stderr or "error: " not in ended.stderr or "hint: " not in ended.stderr:
        yield f"{os.strerror(fault.error)} was said as: {ended.stderr[-400:]}"
    elif str(workspace / "runs") not in ended.stderr and "runs/" not in ended.stderr:
        yield f"no file is named: {ended.stderr[-400:]}"
