"""Weights & Biases: files in the run's directory, for `wandb sync`; online where `WANDB_MODE=online` says so."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rilctl.trackers.base import PROJECT, ArtifactLink, ShownRow, TrackedRun, TrackerRecord

if TYPE_CHECKING:
    import wandb


class WandB:
    """A step is one row of the run's history; rollouts are a table beside it."""

    def __init__(self, run: wandb.Run) -> None:
        self._run = run

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._run.log(dict(metrics), step=step)

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        """See `Tracker`."""
        import wandb

        cells = [[None if row.picture is None else wandb.Image(row.picture), *row.cells.values()] for row in rows]
        self._run.log({"rollouts": wandb.Table(columns=["picture", *rows[0].cells], data=cells)}, step=step)

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        """See `Tracker`."""
        self._run.summary["artifacts"] = [asdict(each) for each in artifacts]

    def finish(self) -> None:
        """See `Tracker`."""
        self._run.finish()


def _start(run: TrackedRun) -> WandB:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
    import wandb

    run.directory.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(  # all that it would collect of this machine by itself
        console="off",
        silent=True,
        disable_git=True,
        disable_job_creation=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_disable_stats=True,
    )
    mode: Any = os.environ.get("WANDB_MODE", "offline")
    opened = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=run.id,
        name=run.name,
        config=dict(run.config),
        dir=run.directory,
        mode=mode,
        resume="allow",
        settings=settings,
    )
    return WandB(opened)


TRACKER = TrackerRecord("wandb", extra="wandb", start=_start)
