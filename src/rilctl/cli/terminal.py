"""Ask the terminal what it can: a question goes out, the answer comes in as if somebody had typed it."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import time
import tty

from rilctl.cli import output
from rilctl.cli.interrupts import heard
from rilctl.views.watch.protocols import ANSWERED, QUESTION, protocol_of

_PATIENCE_S = 1.0
"""A terminal that answers does so at once; over a slow line it takes a little longer."""
_SILENT = frozenset({"dumb", "linux"})
"""Terminals without pictures, which may show a question that they don't know."""


def picture_protocol() -> str | None:
    """The protocol in which the terminal says that it shows pictures; None: it says nothing of the kind."""
    if not os.isatty(0) or os.environ.get("TERM", "dumb") in _SILENT:
        return None
    # Signals wait: one of them would leave the terminal without an echo.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard())
    try:
        kept = termios.tcgetattr(0)
        try:
            tty.setcbreak(0)
            output.result_bytes(QUESTION.encode())
            return protocol_of(_answer())
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, kept)
    except (OSError, termios.error):
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cell_px() -> tuple[int, int]:
    """Width and height of a character, in pixels; a guess where the terminal doesn't say."""
    with contextlib.suppress(OSError):
        rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
        if min(rows, columns, width, height) > 0:
            return max(1, width // columns), max(1, height // rows)
    return 10, 20


def _answer() -> str:
    said, end = "", time.monotonic() + _PATIENCE_S
    while ANSWERED.search(said) is None and (left := end - time.monotonic()) > 0:
        if not select.select([0], [], [], left)[0]:
            break
        piece = os.read(0, 1024)
        if not piece:
            break
        said += piece.decode(errors="replace")
    return said
