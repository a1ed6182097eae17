"""What kills, failures and power cuts are tried on, and how one sees that nothing came of them."""

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import read_manifest
from rilctl.artifacts.verify import verify
from rilctl.config.recipe import VERBS
from rilctl.config.shipped import recipes_dir
from rilctl.testing.workspaces import write_workspace

from .processes import Ended, Processes
from .shim import Operation, read_log

COMMANDS = (*VERBS, "run", "quickstart")
TOGETHER = "{verb}.engine={{ type = 'deepspeed', zero_stage = 2 }}"
"""How several processes train."""
SHORTER = {
    "num_questions = 384": "num_questions = 16",
    "num_samples = 200": "num_samples = 4",
    "num_responses = 4": "num_responses = 2",
    "num_steps = 100": "num_steps = 3",
    "num_steps = 30": "num_steps = 3",
    "num_steps = 60": "num_steps = 3",
    "questions_per_step = 20": "questions_per_step = 2",
    "validate_every = 10": "validate_every = 2\ncheckpoint_every = 2",
    "num_validation_questions = 200": "num_validation_questions = 4",
    "[eval]": "[eval]\nlimit = 4",
}
"""What is changed in the quickstart's recipe."""
_LARGE_BYTES = 1 << 16
"""Files of this size are weights, which nobody changes in place: copies of a workspace share them."""
Contents = dict[str, object]
"""What a workspace holds, by what it is; two that are equal went through the same."""


@dataclass(frozen=True)
class Subject:
    """A command, and what it does when nobody disturbs it.

    Args:
        command: what follows `rilctl`.
        num_ranks: processes that do it together.
        before: a workspace in which it is the next command.
        expected: what it leaves there.
        operations: what it does to files, in order, as its processes were scheduled.
        every: of so many trials with another command it gets one, as it takes longer.
    """

    command: tuple[str, ...]
    num_ranks: int
    before: Path
    expected: Contents
    operations: Sequence[Operation]
    every: int = 1

    @property
    def name(self) -> str:
        """As a table says it."""
        return f"`{self.command[0]}`" + (f", {self.num_ranks} processes" if self.num_ranks > 1 else "")


@dataclass
class Count:
    """Of the trials with one subject."""

    subject: str
    num_operations: int
    num_trials: int = 0
    num_faults: int = 0
    """Faults that met their operation; the others came after the command's end."""
    problems: list[str] = field(default_factory=list)
    """What was wrong afterwards, and what had been done."""


def small_workspace(folder: Path) -> Path:
    """A recipe whose six verbs take a second each, imports aside."""
    recipe = write_workspace(folder, num_questions=12)
    text = recipe.read_text().replace("num_steps = 6", "num_steps = 3").replace("limit = 8", "limit = 4")
    recipe.write_text(text.replace("max_new_tokens = 32", "max_new_tokens = 8").replace("_step = 3", "_step = 2"))
    return folder


def small_quickstart(folder: Path) -> Path:
    """The quickstart's own recipe, in which every job takes a second, imports aside."""
    text = (recipes_dir() / "quickstart.toml").read_text()
    for longer, shorter in SHORTER.items():
        assert longer in text, longer
        text = text.replace(longer, shorter)
    own = folder / "runs/quickstart/quickstart.toml"
    own.parent.mkdir(parents=True)
    own.write_text(text)
    return folder


def subjects(
    folder: Path, processes: Processes, commands: Collection[str] = COMMANDS, *, most_ranks: int = 2
) -> list[Subject]:
    """Those commands; `sft` and `train` also as two processes do them on DeepSpeed."""
    start = small_workspace(folder / "start")
    before, found = start, []
    for verb in VERBS:
        if verb in ("sft", "train") and verb in commands and most_ranks > 1 and find_spec("deepspeed"):
            command = (verb, "recipe.toml", "--set", TOGETHER.format(verb=verb))
            found.append(_subject(processes, before, folder / f"{verb}-together", command, num_ranks=2))
        after = folder / f"after-{verb}"
        found.append(_subject(processes, before, after, (verb, "recipe.toml")))
        before = after
    if "run" in commands:
        found.append(_subject(processes, start, folder / "after-run", ("run", "recipe.toml")))
    if "quickstart" in commands:
        found.append(quickstart(folder, processes))
    return [subject for subject in found if subject.command[0] in commands]


def quickstart(folder: Path, processes: Processes) -> Subject:
    """All its jobs, two at a time: a fault may meet any of its processes."""
    before = small_quickstart(folder / "before-quickstart")
    return _subject(processes, before, folder / "after-quickstart", ("quickstart",), every=8)


def _subject(
    processes: Processes, before: Path, after: Path, command: tuple[str, ...], *, num_ranks: int = 1, every: int = 1
) -> Subject:
    """Run the command, undisturbed, in `after`, a copy of `before`."""
    copy(before, after)
    log = after.with_name("log")
    ended = processes.run(after, command, num_ranks=num_ranks, log=log)
    assert {*ended.codes} == {0} and not [*left_behind(ended), *problems_of(after)], ended
    operations = [*read_log(log, after / "runs")]
    log.unlink()
    return Subject(command, num_ranks, before, contents(after), operations, every)


def copy(workspace: Path, to: Path, *, but: str = "") -> Path:
    """The same workspace elsewhere, perhaps without one of its folders."""
    return Path(shutil.copytree(workspace, to, ignore=shutil.ignore_patterns(but), copy_function=put_copy))


def put_copy(source: str | Path, target: str | Path) -> None:
    """Copy a file, or give it another name where it is large."""
    if os.path.getsize(source) < _LARGE_BYTES:
        shutil.copyfile(source, target)
    else:
        os.link(source, target)


def contents(workspace: Path) -> Contents:
    """Names of all files; digests of all artifacts; metrics; steps that were timed; the call cache's answers."""
    runs, log = workspace / "runs", "calls.sqlite3-"  # SQLite's own, which may hold answers until the next who asks
    # Each start of a job has a log of its own.
    names = (
        _name(path, runs) for path in runs.rglob("*") if not path.name.startswith(log) and path.parent.name != "logs"
    )
    found: Contents = {"files": sorted(names)}
    for manifest in runs.rglob(MANIFEST):
        read = read_manifest(manifest.parent)
        found[_name(manifest, runs)] = (read.status, read.content_digest, read.num_rows, read.num_rejected)
    for log in runs.rglob("*.jsonl"):
        rows = [json.loads(line) for line in log.read_bytes().splitlines()]
        found[_name(log, runs)] = [row.get("step") for row in rows] if log.name == "timings.jsonl" else rows
    for report in runs.glob("*/report.json"):
        found["report"] = json.loads(report.read_text())["rows"], report.with_suffix(".md").read_text()
    calls = runs / ".cache/calls.sqlite3"
    if calls.exists():
        with closing(sqlite3.connect(calls)) as database:
            found["answers"] = sorted(database.execute("SELECT key, value FROM calls"))
    return found


def _name(path: Path, runs: Path) -> str:
    return str(path.relative_to(runs))


def problems_of(workspace: Path) -> list[str]:
    """What `artifacts verify` says of everything that is an artifact."""
    return [
        f"{_name(manifest, workspace)}: {problem}"
        for manifest in sorted((workspace / "runs").rglob(MANIFEST))
        for problem in verify(manifest.parent).problems
    ]


def rerun(processes: Processes, subject: Subject, workspace: Path) -> Iterable[str]:
    """Run the subject's command again, and say what differs then from a run that nobody disturbed."""
    ended = processes.run(workspace, subject.command, num_ranks=subject.num_ranks)
    if {*ended.codes} != {0}:
        yield f"the rerun ended with {ended.codes}: {ended.stderr[-400:]}"
        return
    yield from left_behind(ended)
    found = contents(workspace)
    for key in sorted({*found, *subject.expected}):
        if found.get(key) != subject.expected.get(key):
            yield f"{key} differs: {_difference(found.get(key), subject.expected.get(key))}"
    yield from problems_of(workspace)


def left_behind(ended: Ended) -> Iterable[str]:
    """What a command may not leave, however it ended: processes, or itself."""
    if ended.is_hung:
        yield f"it hung: {ended.stderr[-400:]}"
    if ended.num_strays:
        yield f"{ended.num_strays} processes outlived it"


def _difference(found: object, expected: object) -> str:
    if isinstance(found, list) and isinstance(expected, list):
        more, less = ([row for row in a if row not in b][:3] for a, b in ((found, expected), (expected, found)))
        return f"{more} more, {less} missing"[:300]
    return f"{found} instead of {expected}"[:300]
