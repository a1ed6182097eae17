"""One rank of a run in which a rank fails: `failing_worker.py KIND RANK SILENT_S`; it says when by its standard output.

What ends it is shown as the command line shows it.
"""

import os
import signal
import sys
import threading
import time

import torch

from rilctl.cli import failures, output
from rilctl.engines.training.ranks import Ranks, open_ranks
from rilctl.engines.training.watch import Patience
from rilctl.engines.training.world import find_world
from rilctl.errors import DataError
from rilctl.stages.shared.phases import phase

NUM_STEPS, FAILING_STEP = 6, 3


def fail(kind: str, ranks: Ranks, silent_s: float) -> None:
    """What the failing rank does."""
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "frozen":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "words":
        raise RuntimeError("the picture of a gloomy gloo can't be read")
    if kind == "memory":
        with phase("train", "policy update"):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore words")
    if kind == "host memory":
        with phase("train", "loading"), ranks.together():
            torch.empty(2**60, dtype=torch.uint8)
    if kind == "file":
        with ranks.together():
            raise DataError("the file is damaged", hint="repair it")
    if kind == "hangs":
        threading.Event().wait()
    if kind == "computes":
        until = time.monotonic() + 2 * silent_s
        while time.monotonic() < until:
            sum(range(100_000))


def work(kind: str, failing: int, silent_s: float) -> None:
    """Steps of collective calls, in which all ranks wait for each other."""
    output.speak_for(find_world(os.environ).rank)
    patience = Patience(beat_s=0.2, silent_s=silent_s, suspect_s=silent_s / 2, still_s=silent_s)
    world = find_world(os.environ)
    with open_ranks(world, grouped=True, leave=failures.fail_now, patience=patience) as ranks, ranks.training():
        for step in range(NUM_STEPS):
            ranks.add_gradients([torch.ones(3)])
            if step == FAILING_STEP and ranks.rank == failing:
                print("now", flush=True)
                fail(kind, ranks, silent_s)
            if step == FAILING_STEP and kind in ("file", "waits"):
                with ranks.together():  # where a file is damaged, the others do long work meanwhile
                    time.sleep(120 if kind == "file" else 2 * silent_s * (ranks.rank == failing))


def main() -> None:
    try:
        work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    except Exception as error:
        failures.leave(failures.show_error(error, with_traceback=False))
    failures.leave(0)


if __name__ == "__main__":
    main()
