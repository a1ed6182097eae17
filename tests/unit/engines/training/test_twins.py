import os
import subprocess
import sys

from rilctl.engines.training.twins import is_twin, kill_twin

ASKS = """
import sys
from rilctl.engines.training.twins import is_twin
for line in sys.stdin:
    print(is_twin(int(line)), flush=True)
"""


def start() -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", ASKS], stdin=pipe, stdout=pipe, text=True)


def answer(process: "subprocess.Popen[str]", pid: int) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{pid}\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_process_of_the_same_command_line_is_one_until_it_ends() -> None:
    first, second = start(), start()
    assert answer(first, second.pid) == "True\n"
    assert answer(first, os.getpid()) == "False\n" and answer(first, 2**22 + 1) == "False\n"
    second.kill()
    os.waitid(os.P_PID, second.pid, os.WEXITED | os.WNOWAIT)  # the kernel still lists it
    assert answer(first, second.pid) == "False\n"
    for process in (first, second):
        process.communicate()


def test_another_process_is_left_alone() -> None:
    other = start()
    assert not is_twin(other.pid)
    kill_twin(other.pid)
    assert answer(other, other.pid) == "True\n"
    other.communicate()
    assert other.returncode == 0
