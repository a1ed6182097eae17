"""Processes that start together at one artifact or one call cache: nothing is lost, nothing is there twice."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.read import read_rows
from rilctl.artifacts.verify import verify
from rilctl.schemas.records import ResponseRecord

NUM_PUT = 20
NUM_ASKED = 12


class Racers:
    """Talks to racers.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def race(self, *racers: tuple[object, ...]) -> list[str]:
        """What each of the racers returned, all started at once."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"racers": racers}, default=str) + "\n")
        self._process.stdin.flush()
        said: list[str] = json.loads(self._process.stdout.readline())
        return said


@contextmanager
def opened_racers() -> Iterator[Racers]:
    """They end with the block."""
    command = [sys.executable, "-m", "tests.crash.racers"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        yield Racers(process)


def two_writers(racers: Racers, folder: Path) -> str:
    """One writes, the other waits and finds it done."""
    said = racers.race(("write", folder / "out"), ("write", folder / "out"))
    return _whole(folder / "out") or ("" if sorted(said) == ["up to date", "written"] else "\n".join(said))


def readers_beside_a_writer(racers: Racers, folder: Path) -> str:
    """Partial artifacts are replaced, then a whole one is there: a reader sees that, or is told why not."""
    said = racers.race(("replace", folder / "out"), ("read", folder / "out"), ("read", folder / "out"))
    return _whole(folder / "out") or ("" if said == ["written", "read", "read"] else "\n".join(said))


def a_stopped_writer(racers: Racers, folder: Path) -> str:
    """One that stands still keeps its lock: another one gives up, a third waits until it goes on."""
    out = folder / "out"
    with _going_on(out):
        said = racers.race(("stop_while_writing", out), ("write_after_stop", out, 0.3), ("write_after_stop", out, 60.0))
    is_told = said[1].startswith("6: ") and "is being written by process" in said[1]
    return _whole(out) or ("" if is_told and said[::2] == ["written", "up to date"] else "\n".join(said))


def a_shared_call_cache(racers: Racers, folder: Path, racer: str = "put") -> str:
    """Three processes store answers, some the same."""
    said = racers.race(*((racer, folder, start * NUM_PUT // 2, NUM_PUT) for start in range(3)))
    with CallCache(folder) as cache:
        found = cache.get_many([f"k{index}" for index in range(2 * NUM_PUT)])
    if found != {f"k{index}": {"text": f"v{index}" * 50} for index in range(2 * NUM_PUT)}:
        return f"{len(found)} answers"
    return "" if said == ["put"] * 3 else "\n".join(said)


def a_shared_call_cache_on_a_network(racers: Racers, folder: Path) -> str:
    """The same with the journal for network file systems."""
    return a_shared_call_cache(racers, folder, "put_over_network")


def askers_over_one_call_cache(racers: Racers, folder: Path) -> str:
    """Three commands ask partly the same: nothing is asked, and paid for, twice."""
    firsts = [0, NUM_ASKED // 2, 0]
    said = racers.race(*(("ask", folder, first, NUM_ASKED) for first in firsts))
    if said != ["asked"] * 3:
        return "\n".join(said)
    asked = Path(f"{folder}.asked").read_text().splitlines()
    wanted = {f"q{number} {seed}" for first in firsts for number in range(first, first + NUM_ASKED) for seed in (0, 1)}
    twice = sorted({each for each in asked if asked.count(each) > 1})
    return "\n".join([*twice, *sorted(wanted - {*asked})])


def a_stopped_process_in_the_call_cache(racers: Racers, folder: Path) -> str:
    """One that stands still in the middle of storing: the others are told, and go on when it does."""
    with _going_on(folder):
        said = racers.race(("stop_while_putting", folder), ("put_after_stop", folder, 0, 3))
    is_told = said[1].startswith("6: ") and "kept busy by another process" in said[1]
    return "" if said[0] == "put" and is_told and racers.race(("put", folder, 0, 3)) == ["put"] else "\n".join(said)


RACES: dict[str, Callable[[Racers, Path], str]] = {
    function.__name__.replace("_", " "): function
    for function in (
        two_writers,
        readers_beside_a_writer,
        a_stopped_writer,
        a_shared_call_cache,
        a_shared_call_cache_on_a_network,
        askers_over_one_call_cache,
        a_stopped_process_in_the_call_cache,
    )
}
"""Each returns what went wrong, or nothing."""


def _whole(out: Path) -> str:
    """What is wrong with the artifact; every row is there once."""
    rows = [row.sample_id for row in read_rows(out, ResponseRecord)]
    twice = sorted({row for row in rows if rows.count(row) > 1})
    return "; ".join([*verify(out).problems, *(f"{row} is there twice" for row in twice)])


@contextmanager
def _going_on(folder: Path) -> Iterator[None]:
    """Let a racer that stands still go on when one that came after it has given up, or is through."""
    note, over = Path(f"{folder}.stopped"), Path(f"{folder}.over")

    def go_on() -> None:
        while not (over.exists() and _stands_still(note.read_text())):
            time.sleep(0.01)
        os.kill(int(note.read_text()), signal.SIGCONT)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    yield
    thread.join()


def _stands_still(pid: str) -> bool:
    """Whether the signal that stops a process has reached it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def run_races(num: int) -> Iterator[tuple[str, list[str]]]:
    """Every race's name, and what went wrong when it was run so often."""
    with opened_racers() as racers:
        for name, race in RACES.items():
            wrong = []
            for _ in range(num):
                with tempfile.TemporaryDirectory() as folder:
                    wrong += [said] if (said := race(racers, Path(folder) / "w")) else []
            yield name, wrong
