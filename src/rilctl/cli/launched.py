"""What `rilctl --gpus` and the ranks that it starts tell each other, in a directory that all of them see.

Rank 0 leaves its result there, and all find a note when a person asked for a clean end. Whichever rank has said what
went wrong leaves a note as well.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rilctl.artifacts.launches import ALIVE, LAUNCH_HOST, LAUNCH_PREFIX, is_launch_over
from rilctl.artifacts.layout import write_atomic
from rilctl.cli import output
from rilctl.cli.interrupts import HANGUP_S
from rilctl.engines.training.world import find_world

if TYPE_CHECKING:
    from rilctl.stages.shared.context import StopFlag

RESULT, STOP, SAID = "result", "stop", "said"
_POLL_S = 0.5
_SAID_WITHIN_S = 5.0

_directory: Path | None = None


def new_directory(root: Path | None) -> Path:
    """Theirs, with what launches that were killed left beside it swept.

    Args:
        root: where it is made; None: where temporary files are.
    """
    directory = Path(tempfile.mkdtemp(prefix=LAUNCH_PREFIX, dir=root)).absolute()
    for other in directory.parent.glob(f"{LAUNCH_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's
            if other != directory and is_launch_over(other):
                shutil.rmtree(other)
    return directory


def be_launched(directory: Path) -> None:
    """From here on this process is a rank that `rilctl` started, and the directory is theirs."""
    global _directory
    _directory = directory
    if find_world(os.environ).rank == 0:
        output.write_results_to(directory / RESULT)


def is_launched() -> bool:
    """Whether `rilctl` itself started this process as one of several."""
    return _directory is not None


def note_what_was_said() -> None:
    """Tell the process that started this one that a person has been told what went wrong."""
    if _directory is not None:
        with contextlib.suppress(FileNotFoundError):  # who would read it is gone
            (_directory / SAID).touch()


def wait_for_what_is_said() -> None:
    """Return once another rank has said what went wrong, or soon: the launcher ends all ranks when one has ended."""
    deadline = time.monotonic() + _SAID_WITHIN_S
    while _directory is not None and not (_directory / SAID).exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@contextmanager
def alive(directory: Path) -> Iterator[None]:
    """Inside, this process is alive, as the ranks of its host see by a lock that ends with it, however it ends."""
    with (directory / ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomic(directory / LAUNCH_HOST, socket.gethostname().encode())
        yield


def watch_for_stop(stop: "StopFlag", *, has_begun: Callable[[], bool]) -> None:
    """Have a person's word heard by every rank, since each may be waiting for a server of its own accord.

    So is the end of the process that started them, which a person can't tell any more: it counts as a hang-up.

    Args:
        stop: set when there is such a word.
        has_begun: see `stop_on_signals`.
    """
    directory = _directory
    if directory is None:
        return

    def watch() -> None:
        number: int | None = (
            None if directory.exists() else signal.SIGHUP
        )  # swept before this rank was up: nobody waits for it
        while number is None:
            time.sleep(_POLL_S)
            number = _asked(directory)
        if not has_begun():
            os._exit(128 + number)
        stop.signal_number = number
        if number == signal.SIGHUP:
            time.sleep(HANGUP_S)
            os._exit(128 + number)

    threading.Thread(target=watch, daemon=True, name="stop-note").start()


def _asked(directory: Path) -> int | None:
    """The signal that asks for an end, if one does."""
    if (directory / STOP).exists():
        return int((directory / STOP).read_text())
    return signal.SIGHUP if is_launch_over(directory) else None
