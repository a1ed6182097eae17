import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from rilctl import load_recipe
from rilctl.errors import UsageError
from rilctl.reporting.metrics import MetricsLog
from rilctl.reporting.mirror import Mirror, Mirrored
from rilctl.reporting.mirrors import Mirrors
from rilctl.threads import LINGERING
from rilctl.trackers.base import ArtifactLink, ShownRow, TrackedRun, Tracker, TrackerRecord
from rilctl.trackers.table import TRACKERS


class Fragile:
    """Breaks at a step, or at its end."""

    def __init__(self, breaks_at: int | None = None, *, at_end: bool = False) -> None:
        self.breaks_at, self.at_end, self.seen = breaks_at, at_end, list[int]()
        self.values: dict[int, Mapping[str, float]] = {}
        self.finished = 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.breaks_at:
            raise ConnectionError("nobody is there")
        self.seen.append(step)
        self.values[step] = metrics

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        raise AssertionError("this run has no rollouts")

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        raise AssertionError("this run has no artifacts")

    def finish(self) -> None:
        self.finished += 1
        if self.at_end:
            raise OSError("no space left")


class Watched:
    """A run whose steps are logged one by one."""

    def __init__(self, directory: Path, start: Callable[[TrackedRun], Tracker], *, forgets: bool = False) -> None:
        self.path, self.said = directory, list[str]()
        self.record = TrackerRecord("double", "double", start, forgets=forgets)
        self.log = MetricsLog(directory)

    def mirrored(self) -> Mirrored:
        return Mirrored(self.path, "recipe/train", {"train": {"num_steps": 100}}, [])

    def mirrors(self, **bounds: float) -> Mirrors:
        return Mirrors(["double"], self.mirrored(), warn=self.said.append, table={"double": self.record}, **bounds)

    def step(self, mirrors: Mirrors, step: int) -> None:
        self.log.write(step, {"policy/loss": step / 2}, {"update_s": 0.25})
        mirrors.log(step)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_is_told_every_step_once_with_its_seconds(tmp_path: Path) -> None:
    tracker, told = Fragile(), list[TrackedRun]()
    run = Watched(tmp_path, lambda opened: told.append(opened) or tracker)  # type: ignore[func-returns-value]
    mirrors = run.mirrors()
    for step in range(1, 40):
        run.step(mirrors, step)
    mirrors.finish()
    assert tracker.seen == list(range(1, 40)) and tracker.finished == 1 and run.said == []
    assert tracker.values[7] == {"policy/loss": 3.5, "timings/update_s": 0.25}
    assert (told[0].first_step, told[0].directory) == (1, tmp_path / "trackers/double")


def test_one_that_fails_is_said_once_with_the_way_out_and_caught_up_from_where_it_stopped(tmp_path: Path) -> None:
    broken, repaired = Fragile(breaks_at=3), Fragile()
    trackers = iter([broken, repaired])
    run = Watched(tmp_path, lambda _: next(trackers))
    mirrors = run.mirrors()
    run.step(mirrors, 1)
    until(lambda: broken.seen == [1])
    for step in range(2, 7):
        run.step(mirrors, step)
    mirrors.finish()
    assert broken.seen == [1, 2]
    (said,) = run.said
    assert said == (
        "double mirrors this run no longer, metrics.jsonl goes on: ConnectionError: nobody is there; "
        f"`rilctl tracking sync {tmp_path} --to double` sends what it lacks"
    )
    mirror = Mirror(run.record, run.mirrored())
    mirror.send()
    mirror.finish()
    assert repaired.seen == [3, 4, 5, 6] and repaired.finished == 1
    again = Mirror(run.record, run.mirrored())
    again.send()
    again.finish()
    assert again.num_sent == 0  # and a third tracker wasn't even opened


@pytest.mark.parametrize(("forgets", "seen_again"), [(True, [3, 4, 5]), (False, [5])])
def test_a_run_that_goes_back_to_its_checkpoint(forgets: bool, seen_again: list[int], tmp_path: Path) -> None:
    first, second = Fragile(), Fragile()
    trackers = iter([first, second])
    told: list[TrackedRun] = []

    def start(opened: TrackedRun) -> Fragile:
        told.append(opened)
        return next(trackers)

    run = Watched(tmp_path, start, forgets=forgets)
    mirrors = run.mirrors()
    for step in range(1, 5):
        run.step(mirrors, step)
    mirrors.finish()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join(lines[:2]))
    mirrors = run.mirrors()
    for step in range(3, 6):
        run.step(mirrors, step)
    mirrors.finish()
    assert (first.seen, second.seen) == ([1, 2, 3, 4], seen_again)
    assert told[1].first_step == seen_again[0] and told[0].id == told[1].id


def test_one_that_fails_at_the_end_ends_nothing(tmp_path: Path) -> None:
    run = Watched(tmp_path, lambda _: Fragile(at_end=True))
    mirrors = run.mirrors()
    run.step(mirrors, 1)
    mirrors.finish()
    assert len(run.said) == 1 and "OSError: no space left" in run.said[0]


def test_one_that_hangs_delays_no_step_and_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed = threading.Event()

    class Hanging(Fragile):
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            freed.wait(60)
            super().log(step, metrics)

    tracker = Hanging()
    run = Watched(tmp_path, lambda _: tracker)
    mirrors = run.mirrors(hang_s=0.2, finish_s=0.2)
    try:
        began = time.monotonic()
        run.step(mirrors, 1)
        until(lambda: run.step(mirrors, 2) is None and bool(run.said))
        mirrors.finish()
        assert time.monotonic() - began < 30
        assert len(run.said) == 1 and "it has not answered for" in run.said[0] and "double" in LINGERING
    finally:
        freed.set()
        LINGERING.discard("double")
    until(lambda: tracker.seen == [1])
    time.sleep(0.05)
    assert tracker.seen == [1]  # what was under way, and no more


def test_one_that_is_behind_at_the_end_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    freed = threading.Event()
    run = Watched(tmp_path, lambda _: freed.wait(60) and Fragile())  # type: ignore[arg-type,return-value]
    mirrors = run.mirrors(finish_s=0.1)
    run.step(mirrors, 1)
    try:
        mirrors.finish()
        assert len(run.said) == 1 and "tracking sync" in run.said[0]
    finally:
        freed.set()
        LINGERING.discard("double")


def test_one_that_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    def start(run: TrackedRun) -> Fragile:
        raise ModuleNotFoundError("No module named 'double'")

    run = Watched(tmp_path, start)
    mirrors = run.mirrors()
    run.step(mirrors, 1)
    run.step(mirrors, 2)
    mirrors.finish()
    assert len(run.said) == 1 and "No module named 'double'; install `rilctl[double]`" in run.said[0]


def test_a_recipe_may_name_what_the_table_has_and_nothing_else() -> None:
    assert set(TRACKERS) == {"tensorboard", "wandb", "trackio", "mlflow"}
    for name in TRACKERS:
        assert load_recipe(overrides=[f"tracking.to=['{name}']"]).tables.tracking.to == (name,)
    with pytest.raises(UsageError, match="tensorboard"):
        load_recipe(overrides=["tracking.to=['tensorbord']"])
