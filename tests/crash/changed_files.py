"""Change one thing at a time in a finished workspace, and see who finds it: `verify`, and the next reader.

Everything goes through the command line, in this process.
"""

import contextlib
import io
import os
import random
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.manifests import read_manifest
from rilctl.cli import output
from rilctl.cli.app import run
from rilctl.config.recipe import VERBS
from rilctl.errors import InterruptedByUser, RilctlError
from rilctl.testing.stages import StopsAfter, run_stage

from .mutations import ADDED, BYTES, added, away, changed, edit_json, edit_line, flip
from .trials import small_workspace

RUNS = Path("runs/recipe")
PATIENCE_S = 20
"""A command that takes so long waits for something: reading takes a second on a quiet machine."""
FRESH = "runs/fresh"
STOPPED, WHOLE = Path("runs/stopped"), Path("runs/whole")
OFTEN = tuple(f"--set=train.{key}" for key in ("num_steps=4", "validate_every=1", "checkpoint_every=1"))
READERS: dict[str, tuple[str, ...]] = {
    "cache-teacher": ("judge", "--out", FRESH),
    "judge": ("judge", "--compare", "runs/recipe/judge", "runs/pristine/judge"),
    "sft": ("pretrain-disc", "--out", FRESH),
    "pretrain-disc/responses": ("judge", "--out", FRESH, "--set", "judge.source=runs/recipe/pretrain-disc/responses"),
    "pretrain-disc/discriminator": ("train", "--out", FRESH),
    "train/student": ("eval", "--out", FRESH, "--set", "eval.student=runs/recipe/train/student"),
    "train/best-student": ("eval", "--out", FRESH, "--set", "eval.student=runs/recipe/train/best-student"),
    "train/discriminator": (
        *("train", "--out", FRESH),
        *("--set", "train.discriminator_artifact=runs/recipe/train/discriminator"),
    ),
    "train/rollouts": ("judge", "--out", FRESH, "--set", "judge.source=runs/recipe/train/rollouts"),
    "eval/responses": ("judge", "--out", FRESH, "--set", "judge.source=runs/recipe/eval/responses"),
    "eval/evaluation": ("eval", "--out", "runs/pristine/eval", "--reference", "runs/recipe/eval/evaluation"),
}
"""Which command reads each artifact next."""


class Hung(BaseException):
    """A command waited for something that doesn't come."""


def call(workspace: Path, *command: str) -> tuple[int, str]:
    """Exit code and stderr of a command line in this process; stdout goes nowhere."""
    kept = os.dup(1)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        with contextlib.chdir(workspace), contextlib.redirect_stderr(io.StringIO()) as stderr:
            return run([*command]), stderr.getvalue()
    finally:
        if output._result_descriptor != 1:  # a verb has taken it for itself
            os.close(output._result_descriptor)
            output._result_descriptor = 1
        os.dup2(kept, 1)
        os.close(kept)


@dataclass
class Tally:
    """Counts of one part of the campaign."""

    part: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By who and what they said."""
    silent: list[str] = field(default_factory=list)
    """What was done where nobody said anything, and where something went wrong in another way."""

    def add(self, who: str, verdict: str, what: str) -> None:
        """Count what somebody said of a mutation."""
        self.counts[who, verdict] += 1
        if verdict in ("silent", "internal", "hung"):
            self.silent.append(f"{self.part}: {what}: {who} {verdict}")


def make_workspace(workspace: Path) -> None:
    """All six verbs of a small recipe."""
    small_workspace(workspace)
    for verb in VERBS:
        code, stderr = call(workspace, verb, "recipe.toml")
        assert code == 0, stderr
    for verb in ("judge", "eval"):
        assert call(workspace, verb, "recipe.toml", "--out", f"runs/pristine/{verb}")[0] == 0


def change_files(workspace: Path, num: int, seed: int = 0) -> list[Tally]:
    """About `num` mutations, as many of each part.

    Args:
        workspace: as `make_workspace` leaves it; it is the same afterwards.
        num: of all parts together.
        seed: of which file, which mutation, which byte.
    """
    parts: dict[str, Callable[[Path, random.Random, Tally], None]] = {
        "listed files": _listed_file,
        "manifests": _manifest,
        "run.json": _run_file,
        "logs": _log,
        "added files": _added_file,
        "roles gone": _role_gone,
        "call cache": _call_cache,
        "resume/": _resume,
    }
    tallies = []
    for name, mutate in parts.items():
        chance, tally = random.Random(f"{seed} {name}"), Tally(name)
        for _ in range(round(num / len(parts))):
            mutate(workspace, chance, tally)
        tallies.append(tally)
    return tallies


def _listed_file(workspace: Path, chance: random.Random, tally: Tally) -> None:
    artifact = chance.choice(list(READERS))
    names = ("manifest.json", "run.json", "metrics.jsonl", "timings.jsonl")
    files = [
        path
        for path in sorted((workspace / RUNS / artifact).iterdir())
        if path.is_file() and path.name not in names and not path.name.startswith(".")
    ]
    file, kind = chance.choice(files), chance.choice([*BYTES, *BYTES, "gone", "pipe", "link"])
    with _changed(file, kind, chance):
        _verify(workspace, artifact, tally, f"{kind} {artifact}/{file.name}")
        if kind != "link":  # who reads a link to the very bytes reads what was written
            _read(workspace, READERS[artifact], tally, f"{kind} {artifact}/{file.name}")


def _manifest(workspace: Path, chance: random.Random, tally: Tally) -> None:
    artifact = chance.choice(list(READERS))
    file = workspace / RUNS / artifact / "manifest.json"
    kind = chance.choice(["edit", "edit", "edit", *BYTES, "gone", "pipe"])
    with _changed(file, kind, chance, edit_json):
        _verify(workspace, artifact, tally, f"{kind} {artifact}/manifest.json")
        _read(workspace, READERS[artifact], tally, f"{kind} {artifact}/manifest.json")


def _run_file(workspace: Path, chance: random.Random, tally: Tally) -> None:
    verb = chance.choice(VERBS)
    kind = chance.choice(["edit", "edit", *BYTES, "gone", "pipe"])
    with _changed(workspace / RUNS / verb / "run.json", kind, chance, edit_json):
        _verify(workspace, verb, tally, f"{kind} {verb}/run.json")
        _read(workspace, (verb,), tally, f"{kind} {verb}/run.json")


def _log(workspace: Path, chance: random.Random, tally: Tally) -> None:
    files = sorted((workspace / RUNS).glob("*/*s.jsonl"))
    file, kind = chance.choice(files), chance.choice(["edit", "edit", *BYTES, "gone"])
    with _changed(file, kind, chance, edit_line):
        _verify(workspace, file.parent.name, tally, f"{kind} {file.parent.name}/{file.name}")


def _added_file(workspace: Path, chance: random.Random, tally: Tally) -> None:
    places = [*READERS, "pretrain-disc", "train", "eval"]
    artifact, name = chance.choice(places), chance.choice(list(ADDED))
    with added(workspace / RUNS / artifact, name):
        _verify(workspace, artifact, tally, f"added {artifact}/{name}")
        if artifact in READERS:
            _read(workspace, READERS[artifact], tally, f"added {artifact}/{name}")


def _role_gone(workspace: Path, chance: random.Random, tally: Tally) -> None:
    artifact = chance.choice([name for name in READERS if "/" in name])
    with away(workspace / RUNS / artifact):
        _verify(workspace, artifact.split("/")[0], tally, f"gone {artifact}")
        _read(workspace, READERS[artifact], tally, f"gone {artifact}")


def _call_cache(workspace: Path, chance: random.Random, tally: Tally) -> None:
    """Nothing but what was stored may come out of it; the way out is that the next look asks again."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".cache").mkdir()
        file = Path(folder) / ".cache" / "calls.sqlite3"
        shutil.copy(workspace / "runs/.cache/calls.sqlite3", file)
        with CallCache(Path(folder)) as cache, contextlib.closing(sqlite3.connect(file)) as database:
            keys = [key for (key,) in database.execute("SELECT key FROM calls ORDER BY key")]
            stored = cache.get_many(keys)
        kind = chance.choice(["flip in an answer", "edit", *BYTES])
        key = chance.choice(keys)
        data = file.read_bytes()
        if kind == "edit":
            with contextlib.closing(sqlite3.connect(file)) as database, database:
                (value,) = database.execute("SELECT value FROM calls WHERE key = ?", (key,)).fetchone()
                edited = edit_json(value.encode(), chance).decode()
                database.execute("UPDATE calls SET value = ? WHERE key = ?", (edited, key))
        elif kind == "flip in an answer":
            start = data.index(key.encode()) + len(key)
            file.write_bytes(data[:start] + flip(data[start : start + 60], chance) + data[start + 60 :])
        else:
            file.write_bytes(BYTES[kind](data, chance))
        verdict = _looked_up(Path(folder), keys, stored)
        tally.add("first look", verdict, f"{kind} at {key[:8]}")
        if verdict == "found":  # refused again where SQLite can't read the file, and the message says to move it away
            tally.add("next look", _looked_up(Path(folder), keys, stored), f"{kind} at {key[:8]}")


def _resume(workspace: Path, chance: random.Random, tally: Tally) -> None:
    """The same command goes on from what is left of a run, or refuses it; `harmless`: to what it would have made."""
    if not (workspace / STOPPED).exists():
        _stop_on_the_way(workspace)
    again = workspace / "runs/again"
    shutil.copytree(workspace / STOPPED, again)
    scratch = [path for path in again.glob("resume/**/*") if path.is_file() and path.stat().st_size]
    file = chance.choice(sorted([*scratch, again / "metrics.jsonl", again / "timings.jsonl"]))
    kind = chance.choice(["edit", *BYTES, *BYTES, "gone", "pipe"])
    if kind == "edit" and file.suffix not in (".json", ".jsonl"):
        kind = "flip"
    what = f"{kind} {file.relative_to(again)}"
    with _changed(file, kind, chance, edit_line if file.suffix == ".jsonl" else edit_json):
        try:
            with _patience():
                code, stderr = call(workspace, "train", "recipe.toml", "--out", str(again), *OFTEN)
            is_same = code == 0 and _made(again) == _made(workspace / WHOLE)
            verdict = "harmless" if is_same else _verdict(code, stderr)
        except Hung:
            verdict = "hung"
        tally.add("same command", verdict, what)
        file.parent.mkdir(parents=True, exist_ok=True)  # where it is put back
    shutil.rmtree(again)


def _stop_on_the_way(workspace: Path) -> None:
    """Two runs, one of them interrupted after two steps."""
    assert call(workspace, "train", "recipe.toml", "--out", str(WHOLE), *OFTEN)[0] == 0
    impatient, overrides = StopsAfter(2), [word.removeprefix("--set=") for word in OFTEN]
    with contextlib.suppress(InterruptedByUser):
        out = workspace / STOPPED
        run_stage(workspace, "train", *overrides, out=out, reporter=impatient, stop=impatient.stop)
    assert (workspace / STOPPED / "resume").exists()


def _made(run_dir: Path) -> list[object]:
    """What a finished run has made."""
    manifests = sorted(run_dir.glob("*/manifest.json"))
    digests: list[object] = [read_manifest(path.parent).content_digest for path in manifests]
    return [*digests, (run_dir / "metrics.jsonl").read_bytes()]


def _looked_up(root: Path, keys: list[str], stored: dict[str, object]) -> str:
    try:
        with _patience(), CallCache(root) as cache:
            found = cache.get_many(keys)
    except RilctlError:
        return "found"
    except Hung:
        return "hung"
    except Exception:
        return "internal"
    if any(stored.get(key) != answer for key, answer in found.items()):
        return "silent"
    return "harmless" if len(found) == len(stored) else "asked again"


def _changed(
    file: Path,
    kind: str,
    chance: random.Random,
    edit: Callable[[bytes, random.Random], bytes] = edit_json,
) -> AbstractContextManager[None]:
    """The mutation of that name; bytes that come out as they were are changed once more."""
    if kind in ("gone", "pipe", "link"):
        return away(file, None if kind == "gone" else kind)
    before, change = file.read_bytes(), edit if kind == "edit" else BYTES[kind]
    while (after := change(before, chance) if before else b"?") == before:
        pass
    return changed(file, after)


def _verify(workspace: Path, path: str, tally: Tally, what: str) -> None:
    _said(workspace, ("artifacts", "verify", str(RUNS / path)), tally, "verify", what)


def _read(workspace: Path, command: tuple[str, ...], tally: Tally, what: str) -> None:
    recipe = () if "--compare" in command else ("recipe.toml",)
    _said(workspace, (command[0], *recipe, *command[1:]), tally, "reader", what)
    shutil.rmtree(workspace / FRESH, ignore_errors=True)


def _said(workspace: Path, command: tuple[str, ...], tally: Tally, who: str, what: str) -> None:
    """Found is: it fails, with a message of ours that has a hint."""
    try:
        with _patience():
            verdict = _verdict(*call(workspace, *command))
    except Hung:
        verdict = "hung"
    tally.add(who, verdict, what)


def _verdict(code: int, stderr: str) -> str:
    if code == 0:
        return "silent"
    is_ours = code in (2, 5) and "internal error" not in stderr and "\nhint: " in stderr
    return "found" if is_ours else "internal"


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    def end(signal_number: int, frame: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(tallies: list[Tally]) -> str:
    """The counts as a Markdown table."""
    verdicts = ("found", "asked again", "harmless", "silent", "internal", "hung")
    lines = [f"| part | who | mutations | {' | '.join(verdicts)} |", "| --- | --- |" + " ---: |" * (1 + len(verdicts))]
    for tally in tallies:
        for who in dict.fromkeys(who for who, _ in tally.counts):
            row = [tally.counts[who, verdict] for verdict in verdicts]
            lines.append(f"| {tally.part} | {who} | {sum(row)} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)
