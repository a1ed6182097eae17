"""What a tracker is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

from rilctl.markdown import table

if TYPE_CHECKING:
    from PIL import Image

PROJECT = "rilctl"
"""Under which name a tracker keeps the runs, unless its own settings say otherwise."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run when it opens. Nothing in it is a secret, or a path of this machine's.

    Args:
        name: `recipe/verb`.
        id: the same whenever the same run is opened again, on whichever day; no other run's.
        config: the resolved recipe and what the run reads, as far as they may leave this machine.
        directory: where the tracker may keep files; it needn't be there.
        first_step: the first that will be logged.
    """

    name: str
    id: str
    config: Mapping[str, JsonValue]
    directory: Path
    first_step: int


@dataclass(frozen=True)
class ShownRow:
    """A rollout, or a teacher's response beside it, for people.

    Args:
        cells: by column, in order: question, truth, side, response, rewards; every row of a run has the same columns.
        picture: the question's first, as a thumbnail; None: it has none, or it isn't found.
    """

    cells: Mapping[str, str | float | None]
    picture: Image.Image | None


@dataclass(frozen=True)
class ArtifactLink:
    """Which artifact a run has made.

    Args:
        name: `recipe/verb/role`.
        kind: what it is.
        digest: of its content: the same wherever a copy of it is.
    """

    name: str
    kind: str
    digest: str


class Tracker(Protocol):
    """An open run. Whatever it raises ends the mirror, not the run; all calls come from one thread.

    What a call was given is on its way when it returns: it won't be sent again.
    """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Values of a step; steps come in order."""

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        """Rollouts of the step that was logged last, at most a few."""

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        """What the run has made; the last call, and not in a run that was interrupted."""

    def finish(self) -> None:
        """The run is over, or interrupted; everything that was logged must arrive."""


@dataclass(frozen=True)
class TrackerRecord:
    """One kind of tracker; the `TRACKER` of a file in this folder.

    Args:
        name: as recipes have it.
        extra: of rilctl, which installs what it needs.
        start: opens a run; imports what it needs.
        forgets: whether steps from `first_step` on that were logged before no longer count; otherwise no step is
            logged twice, also where a run has gone back to its checkpoint.
    """

    name: str
    extra: str
    start: Callable[[TrackedRun], Tracker]
    forgets: bool = False


def markdown(rows: Sequence[Mapping[str, str | float | None]]) -> str:
    """Rows with the same columns as a table; text on one line, and none of it is markup."""
    return table([*rows[0]], [[_cell(value) for value in row.values()] for row in rows]) if rows else ""


def _cell(value: str | float | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else f"{value:.4g}"
    for char in "\\`*_{}[]<>#|":
        value = value.replace(char, f"\\{char}")
    return value
