"""All trackers, by name: every file beside this one that has a `TRACKER`."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rilctl.trackers.base import TrackerRecord


def _all() -> Iterator[TrackerRecord]:
    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        tracker = getattr(importlib.import_module(f"{__package__}.{file.name}"), "TRACKER", None)
        if tracker is not None:
            yield tracker


TRACKERS: Mapping[str, TrackerRecord] = {tracker.name: tracker for tracker in _all()}

if TYPE_CHECKING:
    TrackerName = str
else:
    TrackerName = Literal[tuple(TRACKERS)]
"""A name that a recipe may give."""
