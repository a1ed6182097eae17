"""TensorBoard: event files in the run's directory, for `tensorboard --logdir`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rilctl.trackers.base import TrackedRun, TrackerRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Scalars by metric, and the recipe as text.

    A run that goes on writes another event file, which begins with the first step that is logged again: TensorBoard
    drops what an earlier file has from that step on (`purge_step`).
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """See `Tracker`."""
        self._writer.close()


def _start(run: TrackedRun) -> TensorBoard:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(run.directory), purge_step=run.first_step)
    writer.add_text(run.name, f"```json\n{json.dumps(run.config, indent=2)}\n```", run.first_step)
    return TensorBoard(writer)


TRACKER = TrackerRecord("tensorboard", extra="tensorboard", start=_start)
