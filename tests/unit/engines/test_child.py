"""Processes that end with the one that started them, killed as it is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rilctl.engines.child import as_child, die_with

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a signal")
STARTS_A_CHILD = """
import signal, subprocess, sys, time
from rilctl.engines.child import as_child
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under `nohup`
number = signal.Signals(int(sys.argv[1]))
print(subprocess.Popen(as_child([sys.executable, "-c", "import time; time.sleep(250)"], number)).pid, flush=True)
time.sleep(250)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("gets", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(number: signal.Signals, gets: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTS_A_CHILD, str(int(gets))]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.send_signal(number)
    parent.communicate(timeout=100)
    deadline = time.monotonic() + 100
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_is_the_command_itself(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getppid(), sys.argv[1:], os.environ['MARK']); sys.exit(7)"
    done = subprocess.run(
        as_child([sys.executable, "-c", program, "a b", "--c"]),
        cwd=tmp_path,
        env={**os.environ, "MARK": "x"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{os.getpid()} ['a b', '--c'] x\n", "")


def test_a_parent_that_has_ended_before_is_noticed() -> None:
    pid = os.fork()
    if pid == 0:
        die_with(1 << 22, signal.SIGKILL)  # no process has so large a number
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
