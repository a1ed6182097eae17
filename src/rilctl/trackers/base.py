"""What a tracker is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run when it opens.

    Args:
        name: `recipe/verb`.
        config: the resolved recipe.
        directory: where the tracker may keep files; it needn't be there.
        first_step: the first that will be logged. What an earlier start has logged from here on no longer counts.
    """

    name: str
    config: Mapping[str, JsonValue]
    directory: Path
    first_step: int


class Tracker(Protocol):
    """An open run; whatever it raises ends the mirror, not the run."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Values of a step; steps come in order."""

    def finish(self) -> None:
        """The run is over, or interrupted; everything that was logged must arrive."""


@dataclass(frozen=True)
class TrackerRecord:
    """One kind of tracker; the `TRACKER` of a file in this folder.

    Args:
        name: as recipes have it.
        extra: of rilctl, which installs what it needs.
        start: opens a run; imports what it needs.
    """

    name: str
    extra: str
    start: Callable[[TrackedRun], Tracker]
