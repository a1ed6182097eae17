from collections.abc import Mapping
from pathlib import Path

import pytest

from rilctl import load_recipe
from rilctl.errors import UsageError
from rilctl.reporting.mirrors import Mirrors
from rilctl.trackers.base import TrackedRun, TrackerRecord
from rilctl.trackers.table import TRACKERS


class Fragile:
    """Breaks at a step, or at its end."""

    def __init__(self, breaks_at: int | None) -> None:
        self.breaks_at, self.seen = breaks_at, list[int]()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.breaks_at:
            raise ConnectionError("nobody is there")
        self.seen.append(step)

    def finish(self) -> None:
        if self.breaks_at is None:
            raise OSError("no space left")


def mirrors(tracker: Fragile, directory: Path, said: list[str]) -> tuple[Mirrors, list[TrackedRun]]:
    told: list[TrackedRun] = []
    record = TrackerRecord("tensorboard", "tensorboard", lambda run: told.append(run) or tracker)  # type: ignore[func-returns-value]
    run = TrackedRun("recipe/train", {}, directory, first_step=0)
    return Mirrors(["tensorboard"], run, warn=said.append, table={"tensorboard": record}), told


def test_a_tracker_that_fails_is_said_once_and_not_told_again(tmp_path: Path) -> None:
    said: list[str] = []
    tracker = Fragile(breaks_at=7)
    mirror, told = mirrors(tracker, tmp_path, said)
    for step in range(5, 10):
        mirror.log(step, {"policy/loss": 0.5})
    mirror.finish()
    assert tracker.seen == [5, 6]
    assert said == ["tensorboard mirrors this run no longer, metrics.jsonl goes on: ConnectionError: nobody is there"]
    assert (told[0].first_step, told[0].directory) == (5, tmp_path / "tensorboard")


def test_one_that_fails_at_the_end_ends_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    mirror, _ = mirrors(Fragile(breaks_at=None), tmp_path, said)
    mirror.log(1, {})
    mirror.finish()
    assert len(said) == 1 and said[0].endswith("OSError: no space left")


def test_one_that_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    def start(run: TrackedRun) -> Fragile:
        raise ModuleNotFoundError("No module named 'tensorboard'")

    said: list[str] = []
    run = TrackedRun("recipe/train", {}, tmp_path, first_step=0)
    table: Mapping[str, TrackerRecord] = {"tensorboard": TrackerRecord("tensorboard", "tensorboard", start)}
    mirror = Mirrors(["tensorboard"], run, warn=said.append, table=table)
    mirror.log(1, {})
    mirror.log(2, {})
    assert len(said) == 1 and said[0].endswith("No module named 'tensorboard'; install `rilctl[tensorboard]`")


def test_a_recipe_may_name_what_the_table_has_and_nothing_else() -> None:
    for name in TRACKERS:
        assert load_recipe(overrides=[f"tracking.to=['{name}']"]).tables.tracking.to == (name,)
    with pytest.raises(UsageError, match="tensorboard"):
        load_recipe(overrides=["tracking.to=['tensorbord']"])
