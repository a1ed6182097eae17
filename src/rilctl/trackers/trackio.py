"""Trackio: a database of its own on this machine, for `trackio show`; elsewhere where `TRACKIO_SPACE_ID` says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rilctl.trackers.base import PROJECT, ArtifactLink, ShownRow, TrackedRun, TrackerRecord, markdown

if TYPE_CHECKING:
    import trackio


class Trackio:
    """What is logged is in the database within a second; a process that is killed before loses it."""

    def __init__(self, run: trackio.Run) -> None:
        self._run = run
        self._step = 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._step = step
        self._run.log(dict(metrics), step=step)

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        """See `Tracker`."""
        import trackio

        cells = [[None if row.picture is None else trackio.Image(row.picture), *row.cells.values()] for row in rows]
        self._run.log({"rollouts": trackio.Table(columns=["picture", *rows[0].cells], data=cells)}, step=step)

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        """See `Tracker`."""
        import trackio

        self._run.log({"artifacts": trackio.Markdown(markdown([asdict(each) for each in artifacts]))}, step=self._step)

    def finish(self) -> None:
        """See `Tracker`."""
        self._run.finish()


def _start(run: TrackedRun) -> Trackio:
    import trackio

    opened = trackio.init(
        project=PROJECT,
        name=f"{run.name.replace('/', '-')}-{run.id}",
        config=dict(run.config),
        resume="allow",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    return Trackio(opened)


TRACKER = TrackerRecord("trackio", extra="trackio", start=_start)
