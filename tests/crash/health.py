"""A long run stays as it is: neither memory, nor open files, threads or the time of a step grow.

`python -m tests.crash.health [STEPS]` trains a tiny student for so many RIL steps (2,000 by default), every part of a
step in it, checkpoints and validations too, and measures the process from inside. The exit code is 1 where something
grows.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rilctl.reporting.progress import SilentReporter
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

WARM_SHARE = 0.2
"""Of the steps, those that aren't looked at: caches fill up."""
SETTINGS = (
    *("train.questions_per_step=1", "train.sampling.max_new_tokens=12", "train.num_validation_questions=1"),
    *("train.validate_every=100", "train.checkpoint_every=100", "train.num_teacher_rows=1"),
)


@dataclass(frozen=True)
class Limit:
    """What may grow by how much from the first measured steps to the last.

    Args:
        unit: of the values.
        most: that the line through all measured steps may rise.
    """

    unit: str
    most: float


LIMITS = {
    "memory": Limit("MiB", 24.0),
    "open files": Limit("files", 0.5),
    "threads": Limit("threads", 0.5),
    "step": Limit("of its median", 0.5),
}


@dataclass
class Watch(SilentReporter):
    """Measures the process at every step.

    Args:
        values: by what is measured, one for each step.
    """

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LIMITS})

    def __post_init__(self) -> None:
        self._process, self._last = psutil.Process(), time.process_time()

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """A step is done."""
        if not num:
            return
        now = time.process_time()  # of this process alone, whoever else the machine works for
        found = {
            "memory": self._process.memory_info().rss / 2**20,
            "open files": float(self._process.num_fds()),
            "threads": float(threading.active_count()),
            "step": now - self._last,
        }
        self._last = now
        for name, value in found.items():
            self.values[name].append(value)


def rise(values: Sequence[float]) -> float:
    """How much the least-squares line through the values rises from the first to the last."""
    return statistics.linear_regression(range(len(values)), values).slope * (len(values) - 1)


def too_much(values: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, bool]]:
    """By what is measured, its rise after the warm steps, and whether that is more than it may be."""
    found = {}
    for name, all_values in values.items():
        measured = all_values[round(len(all_values) * WARM_SHARE) :]
        if name == "step":  # a step with a validation, or one that was interrupted, is no growth
            typical = statistics.median(measured)
            measured = [min(value, 3 * typical) / typical for value in measured]
        risen = rise(measured)
        found[name] = (risen, risen > LIMITS[name].most)
    return found


def measure(num_steps: int) -> dict[str, list[float]]:
    """The values of every step of a run."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        write_workspace(workspace, num_questions=8)
        run_stage(workspace, "cache-teacher", "cache-teacher.sampling.max_new_tokens=3")
        run_stage(workspace, "sft", "sft.num_steps=1")
        run_stage(workspace, "pretrain-disc", "pretrain-disc.num_steps=1")
        watch = Watch()
        run_stage(workspace, "train", f"train.num_steps={num_steps}", *SETTINGS, reporter=watch)
    return watch.values


def main() -> int:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", type=int, nargs="?", default=2000)
    values = measure(parser.parse_args().steps)
    print("| | first measured | last | rise over the run | may rise |\n| --- | ---: | ---: | ---: | ---: |")
    found = too_much(values)
    for name, (risen, _) in found.items():
        measured = values[name][round(len(values[name]) * WARM_SHARE) :]
        limit = LIMITS[name]
        cells = (
            f"{measured[0]:.4g}",
            f"{measured[-1]:.4g}",
            f"{risen:.3g} {limit.unit}",
            f"{limit.most:g} {limit.unit}",
        )
        print(f"| {name} | {' | '.join(cells)} |")
    return 1 if any(is_too_much for _, is_too_much in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
