"""How a stage says what it is doing, without knowing who listens."""

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """Told by stages, shown by `cli/`."""

    def say(self, message: str) -> None:
        """One line for a person: what was picked, what was skipped and why."""

    def warn(self, message: str) -> None:
        """One line that a person should not miss."""

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """A piece of long work starts; `done` units were already there when it did."""

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """`num` more units are done; `metrics` are the newest values to show beside the bar.

        0: a unit is under way, and `metrics` say how far it is; they are shown until the next call.
        """

    def end(self) -> None:
        """The current piece of work is over."""


class SilentReporter:
    """Says nothing; for library use and tests."""

    def say(self, message: str) -> None:
        """See `Reporter`."""

    def warn(self, message: str) -> None:
        """See `Reporter`."""

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`."""

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """See `Reporter`."""

    def end(self) -> None:
        """See `Reporter`."""
