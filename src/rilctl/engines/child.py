"""A process that doesn't outlive the one that started it, however that ended.

This file is also a program: between the start of a process and its command it asks the kernel for a signal when its
parent is gone, and becomes the command. Python can't do that in a fork of a process with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
"""From `linux/prctl.h`; kept across `exec`, and not handed on to children."""


def as_child(command: Sequence[str], number: signal.Signals = signal.SIGTERM) -> list[str]:
    """A command that gets a signal when the process, and the thread, that starts it has ended; on Linux only.

    Args:
        command: program and arguments.
        number: the signal.
    """
    if sys.platform != "linux":
        return [*command]
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(number)), *command]


def die_with(parent: int, number: int) -> None:
    """Have this process get a signal when its parent, whose process id is given, has ended; on Linux only."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before it could be watched
        os.kill(os.getpid(), number)


def main() -> None:
    """`child.py PARENT SIGNAL COMMAND …`."""
    parent, number, *command = sys.argv[1:]
    signal.signal(int(number), signal.SIG_DFL)  # under `nohup` it was ignored, and would be by the command
    die_with(int(parent), int(number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
