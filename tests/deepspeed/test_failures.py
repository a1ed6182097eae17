"""A rank that is killed, frozen, out of memory or wrong ends all ranks, soon, and its cause is said first."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from rilctl.engines.ports import hold_port
from rilctl.testing.ranks import QUIET, start_ranks
from rilctl.testing.workspaces import write_workspace

WORKER = Path(__file__).parent / "failing_worker.py"
LIMIT_S = 120
"""Within which all end; without anybody who looks they would wait for half an hour."""


@dataclass(frozen=True)
class Ended:
    """How a rank ended.

    Args:
        code: its exit code.
        after_s: since the failure.
    """

    code: int
    after_s: float
    errors: list[str]


def run(kind: str, failing: int, num_ranks: int, *, silent_s: float = 6.0) -> list[Ended]:
    """All ranks of a run in which one does what `kind` says."""
    processes = start_ranks(WORKER, kind, str(failing), str(silent_s), num_ranks=num_ranks)
    try:
        out = processes[failing].stdout
        assert out is not None and out.readline() == "now\n"
        began, after_s = time.monotonic(), dict[int, float]()
        while len(after_s) < num_ranks and time.monotonic() - began < 2 * LIMIT_S:
            for rank, process in enumerate(processes):
                if rank not in after_s and process.poll() is not None:
                    after_s[rank] = time.monotonic() - began
            time.sleep(0.05)
        assert len(after_s) == num_ranks, f"of {num_ranks} ranks only {sorted(after_s)} ended"
        said = [process.communicate()[1].splitlines() for process in processes]
        errors = [[line for line in lines if "error: " in line] for lines in said]
        return [Ended(p.returncode, after_s[r], errors[r]) for r, p in enumerate(processes)]
    finally:
        for process in processes:
            process.kill()


def the_error(ends: list[Ended]) -> str:
    """What was said, which is one error, and all ends come in time."""
    assert max(end.after_s for end in ends) < LIMIT_S
    (line,) = (line for end in ends for line in end.errors)
    return line


@pytest.mark.parametrize(("failing", "num_ranks"), [(1, 2), (0, 2), (1, 3), (0, 3)])
def test_killed(failing: int, num_ranks: int) -> None:
    ends = run("killed", failing, num_ranks)
    assert f"error: rank {failing} on {os.uname().nodename} is gone" in the_error(ends)
    assert [end.code for end in ends] == [-signal.SIGKILL if rank == failing else 1 for rank in range(num_ranks)]


@pytest.mark.parametrize(("failing", "num_ranks"), [(1, 2), (0, 3), (2, 3)])
def test_frozen(failing: int, num_ranks: int) -> None:
    ends = run("frozen", failing, num_ranks)
    assert f"rank {failing} on {os.uname().nodename} is gone: it has given no sign of life for 6 s" in the_error(ends)
    # A frozen process would write to the same files once it goes on: it is killed.
    assert [end.code for end in ends] == [-signal.SIGKILL if rank == failing else 1 for rank in range(num_ranks)]


@pytest.mark.parametrize(
    ("kind", "words", "code"),
    [
        ("words", "internal error: RuntimeError: the picture of a gloomy gloo can't be read", 1),
        ("memory", "out of memory in `train`, policy update: CUDA out of memory. Tried to allocate 2.00 GiB.", 1),
        ("host memory", "out of memory in `train`, loading: ", 1),
        ("file", "the file is damaged", 5),
    ],
)
@pytest.mark.parametrize(("failing", "num_ranks"), [(1, 2), (0, 3)])
def test_its_own_words(kind: str, words: str, code: int, failing: int, num_ranks: int) -> None:
    ends = run(kind, failing, num_ranks)
    assert f"error: {words}" in the_error(ends) and ends[failing].errors
    assert {end.code for end in ends} == {code}


def test_one_that_lives_and_hangs() -> None:
    line = the_error(run("hangs", 1, 3))
    assert "error: nothing has moved for 6 s: rank 0 on " in line and line.count("training/ranks.py:") == 2


@pytest.mark.parametrize("kind", ["computes", "waits"])
def test_a_rank_that_takes_its_time_is_waited_for(kind: str) -> None:
    ends = run(kind, 1, 3)
    assert [(end.code, end.errors) for end in ends] == [(0, [])] * 3
    assert ends[0].after_s > 10


def test_a_run_that_was_suspended_as_a_whole_goes_on() -> None:
    processes = start_ranks(WORKER, "computes", "1", "3", num_ranks=2)
    try:
        out = processes[1].stdout
        assert out is not None and out.readline() == "now\n"
        for number, wait_s in ((signal.SIGSTOP, 8.0), (signal.SIGCONT, 0.0)):
            for process in processes:
                process.send_signal(number)
            time.sleep(wait_s)
        assert [process.wait(LIMIT_S) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.communicate()


# --- The command line ---


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    return directory


SFT = ("sft", "--set", "sft.engine={ type = 'deepspeed', zero_stage = 2 }", "--set", "sft.num_steps=4000")
LAUNCHERS = {
    "deepspeed": (*("-m", "rilctl"), *SFT, "--gpus", "3"),
    "torchrun": ("-m", "torch.distributed.run", "--nproc-per-node", "3", "-m", "rilctl", *SFT),
}


def begin(workspace: Path, out: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, *arguments, "--out", str(out)]
    return subprocess.Popen(
        command, cwd=workspace, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **QUIET, **environment}
    )


def begun(process: subprocess.Popen[str], out: Path) -> dict[int, psutil.Process]:
    """The ranks, once they train."""
    deadline = time.monotonic() + 300
    while not (out / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        if "RANK" in (environment := child.environ()):
            found.setdefault(int(environment["RANK"]), child)  # not a process that the rank has started
    return found


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_command_ends(workspace: Path, tmp_path: Path, launcher: str, number: int) -> None:
    out = tmp_path / "sft"
    process = begin(workspace, out, *LAUNCHERS[launcher])
    ranks = begun(process, out)
    began = time.monotonic()
    ranks[1].send_signal(number)
    psutil.wait_procs([ranks[0], ranks[2]], timeout=LIMIT_S)
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    assert time.monotonic() - began < LIMIT_S
    assert not any(rank.is_running() for rank in ranks.values())
    assert (process.returncode, stdout) == (1, "")
    (error,) = re.findall(r"^(?:rank \d: )?error: .*", stderr, re.MULTILINE)
    assert "error: rank 1 on " in error and "Traceback" not in stderr.partition(error)[0]


def test_a_launcher_that_is_killed_is_no_success(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "sft"
    process = begin(workspace, out, *LAUNCHERS["deepspeed"])
    ranks = begun(process, out)
    for child in psutil.Process(process.pid).children(recursive=True):
        if "deepspeed.launcher.launch" in child.cmdline() and "RANK" not in child.environ():
            child.kill()
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, stdout) == (1, "") and "error: the launcher was killed" in stderr
    psutil.wait_procs(ranks.values(), timeout=LIMIT_S)
    assert not any(rank.is_running() for rank in ranks.values())


def test_ranks_put_their_work_away_when_who_started_them_is_killed(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "sft"
    process = begin(workspace, out, *LAUNCHERS["deepspeed"])
    ranks = begun(process, out)
    everybody = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    psutil.wait_procs(everybody, timeout=LIMIT_S)
    assert not any(each.is_running() for each in [*ranks.values(), *everybody])
    assert [*(out / "resume").glob("step-*")], "no checkpoint was written"


def test_a_rank_that_waits_for_others_to_come_hears_a_signal(workspace: Path, tmp_path: Path) -> None:
    port = hold_port()
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    process = begin(workspace, tmp_path / "sft", "-m", "rilctl", *SFT, **alone)
    rank, deadline = psutil.Process(process.pid), time.monotonic() + 300
    while not any(each.laddr.port == port for each in rank.net_connections("tcp")):  # where the others are to come
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.terminate()
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 143
