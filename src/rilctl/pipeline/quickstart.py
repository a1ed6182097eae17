"""`rilctl quickstart`: `rilctl compare` on the pocket world, with a recipe and arms that ship with rilctl."""

import os
import shlex
from pathlib import Path

from rilctl.artifacts.layout import write_atomic
from rilctl.config.shipped import recipes_dir
from rilctl.pipeline.comparison.run import run_comparison
from rilctl.pipeline.comparison.setup import Comparison, make_comparison
from rilctl.pipeline.comparison.workers import job_settings, num_cores
from rilctl.reporting.progress import Reporter
from rilctl.schemas.comparison import ComparisonReport
from rilctl.stages.shared.context import StopFlag

NAME = "quickstart"
"""Of the recipe, and so of its folder under the workspace root."""
TUNED = ("sft-data", "sft-teachers", "sft-right", "dr-grpo", "answer-teachers")
"""Arms whose rate or length is the pocket world's own: `recipes/quickstart` has them."""
ARMS = ("base", *TUNED, "ril")
"""In the order of the table."""
SEEDED = ("data.seed", "cache-teacher.seed", "sft.seed", "pretrain-disc.seed", "train.seed")
"""Everything random in the quickstart but the held-out questions, which stay the same."""


def run_quickstart(
    *, root: Path, reporter: Reporter, stop: StopFlag, seed: int = 0, base_dir: Path | None = None
) -> ComparisonReport:
    """Run everything that isn't up to date, and write the report.

    Args:
        root: workspace root; everything goes to `<root>/quickstart`.
        reporter: told of every command, and of its progress.
        stop: set when a signal asks for a clean end.
        seed: of the training questions, of sampling and of the order of rows.
        base_dir: where the commands run; None: the current directory.

    Raises:
        RilctlError: a command failed.
        LockedError: another quickstart runs in this folder.
        InterruptedByUser: `stop` was set; the same command goes on from here.
    """
    cwd = (base_dir or Path.cwd()).resolve()
    folder = root.resolve() / NAME
    shown = folder.relative_to(cwd) if folder.is_relative_to(cwd) else folder
    for name in (NAME, *TUNED):
        _own_copy(folder, name, reporter)
    comparison = quickstart_comparison(folder, shown.parent, cwd, seed)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}  # small models gain nothing from two
    settings = job_settings(min(2, num_cores()), cwd / comparison.folder / "logs", cwd, environment)
    usual = shown.parent == Path(comparison.full.workspace.root)
    words = ["rilctl", "quickstart", *([] if usual else ["--out", str(shown.parent)])]
    words += [] if seed == 0 else ["--seed", str(seed)]
    return run_comparison(comparison, settings, reporter=reporter, stop=stop, resume_command=shlex.join(words))


def quickstart_comparison(folder: Path, root: Path, cwd: Path, seed: int = 0) -> Comparison:
    """What is compared.

    Args:
        folder: has the recipe and the arms.
        root: the workspace root, as the commands name it.
        cwd: where they run.
        seed: see `run_quickstart`.
    """
    own = [str(folder / f"{name}.toml") if name in TUNED else name for name in ARMS]
    seeds = [f"{key}={seed}" for key in SEEDED] if seed else []
    return make_comparison([folder / f"{NAME}.toml"], seeds, arms=own, root=root, cwd=cwd)


def _own_copy(folder: Path, name: str, reporter: Reporter) -> None:
    """A file in the quickstart's own folder, a copy of the shipped one: to be read, changed and run again."""
    shipped = recipes_dir() / (f"{NAME}.toml" if name == NAME else f"{NAME}/{name}.toml")
    own = folder / f"{name}.toml"
    if not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(own, shipped.read_bytes())
    elif own.read_bytes() != shipped.read_bytes():
        reporter.warn(f"{own} differs from the recipe that ships with rilctl; it is used as it is")
