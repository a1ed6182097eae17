"""What `rilctl --gpus` and the ranks that it starts tell each other, in a directory that all of them see.

Rank 0 leaves its result there, and all find a note when a person asked for a clean end. Whichever rank has said what
went wrong leaves a note as well.
"""

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rilctl.cli import output
from rilctl.engines.training.world import find_world

if TYPE_CHECKING:
    from rilctl.stages.context import StopFlag

RESULT, STOP, SAID = "result", "stop", "said"
_POLL_S = 0.5
_SAID_WITHIN_S = 5.0

_directory: Path | None = None


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
        (_directory / SAID).touch()


def wait_for_what_is_said() -> None:
    """Return once another rank has said what went wrong, or soon: the launcher ends all ranks when one has ended."""
    deadline = time.monotonic() + _SAID_WITHIN_S
    while _directory is not None and not (_directory / SAID).exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def watch_for_stop(stop: "StopFlag") -> None:
    """Set the flag when the note is there; on every rank, since each may be waiting for a server of its own accord."""
    directory = _directory
    if directory is None:
        return

    def watch() -> None:
        while not (directory / STOP).exists():
            time.sleep(_POLL_S)
        stop.signal_number = int((directory / STOP).read_text())

    threading.Thread(target=watch, daemon=True, name="stop-note").start()
