"""One run, whatever its state."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from rilctl.artifacts.layout import METRICS, RESUME, ROLLOUT_LOG, TIMINGS
from rilctl.artifacts.read import read_rejected, read_rows
from rilctl.artifacts.tables import Row
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import InputEntry, Manifest
from rilctl.schemas.records import RejectedRecord, RolloutRecord
from rilctl.schemas.run import RunFile
from rilctl.views.runs.alive import Writer
from rilctl.views.runs.lines import whole_lines
from rilctl.views.runs.series import Series, SeriesFile

RunState = Literal["finished", "running", "stopped", "unreadable"]
"""`stopped`: interrupted or killed, its command goes on with it; `unreadable`: nothing that says what it is."""


@dataclass(frozen=True)
class RunView:
    """A run as it stood when it was looked at; `find_runs` makes it.

    What can't be read is told in `problems`, and hides nothing else.

    Args:
        path: its directory.
        name: tells it from the others that were found with it: `quickstart/train`.
        state: what has become of it.
        writer: who writes to it, or did when it was killed.
        run_file: what the directory is for; None where it is gone, as in an artifact that was copied alone.
        artifacts: the directory of each artifact by role: `student`, `rollouts`, …
        manifests: of these, by role.
        problems: what can't be read, for a person; what is read later may add to it.
    """

    path: Path
    name: str
    state: RunState
    writer: Writer | None
    run_file: RunFile | None
    artifacts: dict[str, Path]
    manifests: dict[str, Manifest]
    problems: list[str] = field(default_factory=list)

    @property
    def verb(self) -> str:
        """The verb that writes here; empty where nothing says so."""
        return self._said.verb if self._said else ""

    @property
    def recipe(self) -> dict[str, JsonValue]:
        """The resolved recipe; empty where nothing says it. An older one may lack keys, or have others."""
        return self._said.config if self._said else {}

    @property
    def inputs(self) -> list[InputEntry]:
        """What it is made from."""
        return self._said.inputs if self._said else []

    @property
    def started_at(self) -> str | None:
        """UTC, ISO 8601."""
        return self.run_file.started_at if self.run_file else None

    @property
    def versions(self) -> dict[str, str]:
        """rilctl, Python and the libraries that made its artifacts; empty before the first."""
        return next((manifest.versions for manifest in self.manifests.values()), {})

    @property
    def hardware(self) -> dict[str, str]:
        """What made its artifacts, before the first what it was started on; empty where an older rilctl wrote it."""
        said = [manifest.hardware for manifest in self.manifests.values()]
        return next(filter(None, said), self.run_file.hardware if self.run_file else {})

    @property
    def _said(self) -> RunFile | Manifest | None:
        return self.run_file or next(iter(self.manifests.values()), None)

    @cached_property
    def metrics(self) -> Series:
        """What was measured step by step."""
        return self._series(METRICS)

    @cached_property
    def timings(self) -> Series:
        """Seconds of each phase, rates, whatever differs from run to run."""
        return self._series(TIMINGS)

    def rollouts(self) -> Iterator[RolloutRecord]:
        """Every row that was trained on, in order: the artifact's, or those so far of a run that has none yet."""
        if "rollouts" in self.manifests:
            yield from self.rows("rollouts", RolloutRecord)
        else:
            yield from self._rollouts_so_far()

    def rows(self, role: str, row_type: type[Row]) -> Iterator[Row]:
        """The rows of an artifact, up to the first that can't be read.

        Args:
            role: one of `manifests`.
            row_type: the record of its kind.
        """
        try:
            yield from read_rows(self.artifacts[role], row_type)
        except ArtifactError as error:
            self.problems.append(error.message)

    def rejected(self) -> list[RejectedRecord]:
        """The rows that its artifacts had to leave out; one that several say is there once."""
        found: dict[RejectedRecord, None] = {}
        for role, manifest in self.manifests.items():
            try:
                rows = read_rejected(self.artifacts[role]) if manifest.num_rejected else []
            except (ArtifactError, OSError, ValidationError) as error:
                self.problems.append(error.message if isinstance(error, ArtifactError) else f"{role}: {error}")
                continue
            found |= dict.fromkeys(rows)
        return list(found)

    def _series(self, name: str) -> Series:
        log = SeriesFile(self.path / name)
        try:
            log.read()
        except OSError as error:
            self.problems.append(f"`{self.path / name}` can't be read: {error.strerror or error}")
        if log.num_damaged:
            self.problems.append(f"`{self.path / name}`: {log.num_damaged} of its lines are no metrics, and left out")
        return log.series

    def _rollouts_so_far(self) -> Iterator[RolloutRecord]:
        path, num_damaged = self.path / RESUME / ROLLOUT_LOG, 0
        try:
            for line in whole_lines(path):
                row = as_rollout(line)
                num_damaged += row is None
                if row is not None:
                    yield row
        except FileNotFoundError:
            return
        except OSError as error:
            self.problems.append(f"`{path}` can't be read: {error.strerror or error}")
        if num_damaged:
            self.problems.append(f"`{path}`: {num_damaged} of its lines are no rollouts, and left out")


def as_rollout(line: bytes) -> RolloutRecord | None:
    """What a line of a run's rollouts says, or None where it is none."""
    try:
        return RolloutRecord.model_validate_json(line)
    except ValidationError:
        return None
