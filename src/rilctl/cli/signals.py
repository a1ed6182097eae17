"""Ctrl-C, SIGTERM and SIGHUP while a verb works: the first asks for a clean end, the second leaves."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from threading import Timer
from types import FrameType

from rilctl.cli import output
from rilctl.cli.interrupts import HANGUP_S, ended_fork, heard, leave_at_once
from rilctl.stages.shared.context import StopFlag


@contextlib.contextmanager
def stop_on_signals(stop: StopFlag, *, has_begun: Callable[[], bool], says_so: bool = True) -> Iterator[None]:
    """Inside, a signal sets `stop`; a second one ends the process at once, with the first one's exit code.

    Args:
        stop: looked at between two units of work.
        has_begun: whether there is work that may not be on disk yet; before, already the first signal leaves, since
            imports and models take long to load.
        says_so: whether a person sent the signal to this process, and should hear what it does.
    """
    owner = os.getpid()
    hint = f"resume with `{shlex.join(['rilctl', *sys.argv[1:]])}`" if says_so else None

    def handle(number: int, _frame: FrameType | None) -> None:
        if ended_fork(owner, number):
            return
        if stop.signal_number is not None:
            leave(stop.signal_number)
        if not has_begun():
            output.restore_terminal()
            leave_at_once(number, hint=hint)
        stop.signal_number = number
        if says_so:
            name = signal.Signals(number).name
            output.notice_from_signal(f"{name}: ending at the next safe point; once more leaves at once")
        if number == signal.SIGHUP:
            leave_within(HANGUP_S, lambda: leave(number))

    with handled_by(handle):
        yield


def leave(number: int) -> None:
    """End the process at once because of a signal."""
    output.restore_terminal()
    os._exit(128 + number)


def leave_within(seconds: float, end: Callable[[], object]) -> None:
    """End the process in another way, if it hasn't ended by then."""
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()


@contextlib.contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside, signals that ask for an end go to this handler."""
    previous = {number: signal.signal(number, handler) for number in heard()}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
