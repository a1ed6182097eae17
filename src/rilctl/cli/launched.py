"""A rank that `rilctl --gpus` started: `python -m rilctl.cli.launched DIRECTORY VERB ...`.

In the directory, which all ranks see, rank 0 leaves its result, and finds a note when a person asked for a clean end.
"""

import os
import sys
import threading
import time
from pathlib import Path

from rilctl.cli import output
from rilctl.engines.training.world import find_world
from rilctl.stages.context import StopFlag

RESULT, STOP = "result", "stop"
_POLL_S = 0.5

_directory: Path | None = None


def is_launched() -> bool:
    """Whether `rilctl` itself started this process as one of several."""
    return _directory is not None


def watch_for_stop(stop: StopFlag) -> None:
    """Set the flag when the note is there; on rank 0, which tells the others."""
    directory = _directory
    if directory is None or find_world(os.environ).rank > 0:
        return

    def watch() -> None:
        while not (directory / STOP).exists():
            time.sleep(_POLL_S)
        stop.signal_number = int((directory / STOP).read_text())

    threading.Thread(target=watch, daemon=True, name="stop-note").start()


def main() -> None:
    """Run one rank."""
    global _directory
    from rilctl.cli import app

    output.ensure_standard_streams()
    _directory = Path(sys.argv[1])
    sys.argv[:] = ["rilctl", *sys.argv[2:]]  # what resumes is what the person typed
    if find_world(os.environ).rank == 0:
        output.write_results_to(_directory / RESULT)
    sys.exit(app.run(sys.argv[1:]))


if __name__ == "__main__":
    from rilctl.cli.launched import main as _main  # the module that others import, not its twin `__main__`

    _main()
