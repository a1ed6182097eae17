"""Ctrl-C, SIGTERM and SIGHUP from the first moment to the last.

Before a verb's work has begun, one of them ends the process at once: nothing can be lost. Once its work is over, they
change nothing any more, or a script would take for killed what has given its result. In between: `rilctl.cli.signals`.

Imported before all else, so it imports next to nothing.
"""

import atexit
import os
import signal
from types import FrameType
from typing import NoReturn

HANGUP_S = 60.0
"""How long a clean end may take where the terminal, or the process that started this one, is gone: nobody is there to
send a second signal, and the next start waits for the lock."""

_owner = 0
_is_over = False
_code: int | None = None
_num_late = 0


def listen() -> None:
    """Called once, by the program."""
    global _owner
    _owner = os.getpid()
    for number in heard():
        signal.signal(number, _handle)
    atexit.register(_ignore)  # registered first, so it runs last: Python gives up its handlers before it has ended


def heard() -> list[signal.Signals]:
    """The signals that ask for an end; `nohup` has SIGHUP ignored, and so it stays."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    return numbers if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*numbers, signal.SIGHUP]


def work_is_over(code: int | None = None) -> None:
    """From now on a first signal is ignored; a second one ends the process, with the code that it has earned.

    Args:
        code: what the process ends with, once that is known.
    """
    global _is_over, _code
    _is_over, _code = True, code


def leave_at_once(number: int, *, hint: str | None = "run the same command again") -> NoReturn:
    """End the process because of a signal before anything has begun; without a word if there is no hint."""
    if hint:
        start = "\r\x1b[K" if os.isatty(2) else ""
        text = f"{start}error: interrupted by {signal.Signals(number).name}\nhint: {hint}\n"
        try:  # noqa: SIM105 - contextlib takes longer to import than all else here
            os.write(2, text.encode())
        except OSError:
            pass  # the terminal is gone
    os._exit(128 + number)


def ended_fork(owner: int, number: int) -> bool:
    """Whether this is a forked worker of `owner`: its parent's SIGTERM ends it, all else is its parent's affair."""
    if os.getpid() == owner:
        return False
    if number == signal.SIGTERM:
        os._exit(128 + number)
    return True


def _handle(number: int, _frame: FrameType | None) -> None:
    global _num_late
    if ended_fork(_owner, number):
        return
    if not _is_over:
        leave_at_once(number)
    _num_late += 1
    if _num_late > 1:
        os._exit(128 + number if _code is None else _code)


def _ignore() -> None:
    for number in heard():
        signal.signal(number, signal.SIG_IGN)
