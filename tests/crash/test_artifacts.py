"""kill -9 at random points and at every step of writing: no manifest or a valid one; the rerun commits the same."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.read import read_manifest
from rilctl.artifacts.verify import verify
from rilctl.errors import LockedError

NUM_KILLS = 16
NUM_CALLS = 40


class Writers:
    """Talks to artifact_writers.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, writer: str, *arguments: object, kill_after_s: float | None = None) -> int:
        """Exit code of a writer, negative for the signal that ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"writer": writer, "arguments": arguments, "kill_after_s": kill_after_s}
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    command = [sys.executable, str(Path(__file__).with_name("artifact_writers.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Writers(process)


def digests(out: Path) -> dict[str, str]:
    return {role: read_manifest(out / role).content_digest for role in ("responses", "student")}


def test_writing_survives_kills_at_random_points(tmp_path, writers):
    reference = tmp_path / "reference"
    assert writers.run("write_roles", reference, "complete") == 0
    randomness = random.Random(0)
    latest_s = 0.3
    num_cut = 0
    for attempt in range(NUM_KILLS):
        out = tmp_path / f"out{attempt}"
        if attempt % 2:  # replaces partial artifacts, whose files have the same names
            assert writers.run("write_roles", out, "partial") == 0
        after_s = randomness.uniform(0, latest_s)
        was_cut = writers.run("write_roles", out, "complete", kill_after_s=after_s) == -signal.SIGKILL
        num_cut += was_cut
        latest_s *= 1.3 if was_cut else 0.6  # stays near a writer's duration, however busy the machine is
        for role in ("responses", "student"):
            if (out / role / "manifest.json").exists():
                assert verify(out / role).problems == [], f"{role}, killed after {after_s} s"
        assert writers.run("write_roles", out, "complete") == 0
        assert digests(out) == digests(reference)
        for role in ("responses", "student"):
            assert verify(out / role).problems == []
            assert read_manifest(out / role).status == "complete"
        assert not list(out.rglob(".tmp-*"))
        assert not (out / ".lock.json").exists()
    assert num_cut >= NUM_KILLS // 4


@pytest.mark.parametrize("replaces_partial", [False, True])
def test_writing_survives_a_kill_at_each_step(tmp_path, writers, replaces_partial):
    def prepare(name: str) -> Path:
        out = tmp_path / name
        if replaces_partial:
            assert writers.run("write_pages", 0, out, "partial", "a.html", "old.html") > 0
        return out

    reference = prepare("reference")
    num_steps = writers.run("write_pages", 0, reference, "complete", "a.html", "b.html")
    assert 10 < num_steps < 200
    for kill_at in range(1, num_steps + 1):
        out = prepare(f"out{kill_at}")
        assert writers.run("write_pages", kill_at, out, "complete", "a.html", "b.html") == -signal.SIGKILL
        if (out / "manifest.json").exists():
            assert verify(out).problems == [], f"killed at step {kill_at}"
        assert 0 <= writers.run("write_pages", 0, out, "complete", "a.html", "b.html") < 200
        assert verify(out).problems == [], f"after a kill at step {kill_at}"
        assert read_manifest(out).content_digest == read_manifest(reference).content_digest
        assert {p.name for p in out.iterdir()} == {"run.json", ".lock", "manifest.json", "a.html", "b.html"}


def test_the_call_cache_survives_kills(tmp_path, writers):
    assert writers.run("put_calls", tmp_path / "warm-up", 1) == 0
    began = time.monotonic()
    assert writers.run("put_calls", tmp_path / "reference", NUM_CALLS) == 0
    duration_s = time.monotonic() - began
    randomness = random.Random(1)
    for _ in range(8):
        writers.run("put_calls", tmp_path, NUM_CALLS, kill_after_s=randomness.uniform(0, duration_s))
        with CallCache(tmp_path) as cache:
            for i in range(NUM_CALLS):  # each transaction is there as a whole or not at all
                assert len(cache.get_many([f"{i}-{j}" for j in range(8)])) in (0, 8)
    assert writers.run("put_calls", tmp_path, NUM_CALLS) == 0
    with CallCache(tmp_path) as cache:
        assert len(cache.get_many([f"{i}-{j}" for i in range(NUM_CALLS) for j in range(8)])) == NUM_CALLS * 8


def test_a_killed_writer_lets_go_of_the_lock(tmp_path, writers):
    killer = threading.Thread(target=writers.run, args=("hold_lock", tmp_path), kwargs={"kill_after_s": 3.0})
    killer.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with (
        pytest.raises(LockedError, match=rf"by process \d+ on {os.uname().nodename} since 20"),
        writer_lock(tmp_path),
    ):
        pass
    killer.join()
    assert (tmp_path / ".lock.json").exists()
    with writer_lock(tmp_path):
        pass
