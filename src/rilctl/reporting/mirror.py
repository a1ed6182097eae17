"""One tracker of a run: what it lacks of the files is sent, and nothing twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.layout import TRACKERS
from rilctl.reporting.followed import FollowedLogs, artifact_links
from rilctl.reporting.redaction import redacted
from rilctl.reporting.sent import Sent, read_sent, write_sent
from rilctl.reporting.shown_rows import Pictures, RowsToShow, no_pictures
from rilctl.schemas.manifest import InputEntry
from rilctl.trackers.base import TrackedRun, Tracker, TrackerRecord


@dataclass(frozen=True)
class Mirrored:
    """A run that is mirrored.

    Args:
        path: its directory.
        name: `recipe/verb`.
        config: the resolved recipe.
        inputs: what it reads.
        pictures: where its questions' pictures are.
    """

    path: Path
    name: str
    config: dict[str, JsonValue]
    inputs: Sequence[InputEntry]
    pictures: Pictures = no_pictures

    @property
    def told(self) -> dict[str, JsonValue]:
        """What a tracker may know of recipe and inputs."""
        inputs = {entry.role: f"{entry.name} ({entry.digest[:12]})" for entry in self.inputs}
        told = redacted({**self.config, "inputs": {**inputs}})
        return told if isinstance(told, dict) else {}


class Mirror:
    """Opens its tracker at the first step that it is to send.

    Args:
        record: which tracker.
        run: whose mirror it is.
        restarts_at: the step that the run goes on with, after one that was stopped or killed; None: it doesn't.
    """

    def __init__(self, record: TrackerRecord, run: Mirrored, restarts_at: int | None = None) -> None:
        self.num_sent = 0
        self._record, self._run = record, run
        self._logs = FollowedLogs(run.path)
        self._rows = RowsToShow(run.path, run.config, run.pictures)
        self._sent = read_sent(run.path, record.name) or Sent(name=run.name)
        if record.forgets and restarts_at is not None and restarts_at <= self._sent.step:
            self._sent = self._sent.model_copy(update={"step": restarts_at - 1})
        self._tracker: Tracker | None = None

    def send(self, until: int | None = None, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Send what is new in the files. Raises whatever the tracker does.

        Args:
            until: see `FollowedLogs.steps`.
            is_stopped: asked between two steps; true: nobody waits any more.
        """
        for step, values in self._logs.steps(until):
            rows = self._rows.of(step)
            if step <= self._sent.step:
                continue
            if is_stopped():
                return
            tracker = self._opened(step)
            tracker.log(step, values)
            if rows:
                tracker.show(step, rows)
            self._note(step=step)
            self.num_sent += 1

    def finish(self) -> None:
        """Say what the run has made, if it hasn't been said, and close. Raises whatever the tracker does."""
        links = artifact_links(self._run.path, self._sent.name)
        if digests := sorted({link.digest for link in links} - {*self._sent.artifacts}):
            self._opened(self._sent.step + 1).link(links)
            self._note(artifacts=[*self._sent.artifacts, *digests])
        if self._tracker is not None:
            self._tracker.finish()
            self._tracker = None

    def _opened(self, step: int) -> Tracker:
        if self._tracker is None:
            directory = self._run.path / TRACKERS / self._record.name
            told = TrackedRun(self._sent.name, self._sent.id, self._run.told, directory, first_step=step)
            try:
                self._tracker = self._record.start(told)
            except ImportError as error:
                raise ImportError(f"{error}; install `rilctl[{self._record.extra}]`") from error
        return self._tracker

    def _note(self, **changes: object) -> None:
        self._sent = self._sent.model_copy(update=changes)
        write_sent(self._run.path, self._record.name, self._sent)
