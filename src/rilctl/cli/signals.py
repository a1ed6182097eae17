"""Ctrl-C and SIGTERM: the first asks for a clean end, the second leaves."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from rilctl.cli import output
from rilctl.stages.context import StopFlag


@contextlib.contextmanager
def stop_on_signals(stop: StopFlag, *, says_so: bool = True) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM set `stop`; a second one ends the process at once, with the first one's exit code.

    Args:
        stop: looked at between two units of work.
        says_so: whether a person sent the signal to this process, and should hear what it does.
    """
    owner = os.getpid()

    def handle(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A forked worker: Ctrl-C reaches the whole group but is the parent's affair, SIGTERM is the parent's word.
            if number == signal.SIGTERM:
                os._exit(128 + number)
        elif stop.signal_number is None:
            stop.signal_number = number
            name = signal.Signals(number).name
            if says_so:
                output.notice_from_signal(f"{name}: finishing the current unit; once more leaves at once")
        else:
            output.restore_terminal()
            os._exit(128 + stop.signal_number)

    with handled_by(handle):
        yield


@contextlib.contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM go to this handler."""
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
