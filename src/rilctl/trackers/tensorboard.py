"""TensorBoard: event files in the run's directory, for `tensorboard --logdir`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rilctl.trackers.base import ArtifactLink, ShownRow, TrackedRun, TrackerRecord, markdown

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Scalars by metric; the recipe, rollouts and artifacts as text, pictures of rollouts as images.

    A run that goes on writes another event file, which begins with the first step that is logged again: TensorBoard
    drops what an earlier file has from that step on (`purge_step`).
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer
        self._step = 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._step = step
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        """See `Tracker`."""
        import numpy as np

        self._writer.add_text("rollouts", markdown([row.cells for row in rows]), step)
        for at, row in enumerate(rows):
            if row.picture is not None:
                self._writer.add_image(f"rollouts/{at}", np.asarray(row.picture), step, dataformats="HWC")
        self._writer.flush()

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        """See `Tracker`."""
        self._writer.add_text("artifacts", markdown([asdict(each) for each in artifacts]), self._step)

    def finish(self) -> None:
        """See `Tracker`."""
        self._writer.close()


def _start(run: TrackedRun) -> TensorBoard:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(run.directory), purge_step=run.first_step)
    writer.add_text(run.name, f"```json\n{json.dumps(run.config, indent=2)}\n```", run.first_step)
    return TensorBoard(writer)


TRACKER = TrackerRecord("tensorboard", extra="tensorboard", start=_start, forgets=True)
