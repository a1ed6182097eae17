"""The real package reads back what runs wrote."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rilctl.artifacts.verify_run import verify_run
from rilctl.config.recipe import Verb
from rilctl.errors import InterruptedByUser
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.syncing import sync_run
from rilctl.testing.stages import StopsAfter, run_stage
from rilctl.testing.workspaces import write_workspace

TRACKED = 'tracking.to=["tensorboard"]'


def scalars(out: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(out / "trackers/tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected(out: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for file, prefix in (("metrics.jsonl", ""), ("timings.jsonl", "timings/")):
        for row in read_metrics(out / file):
            for name in row.keys() - {"step"}:
                found.setdefault(prefix + name, []).append((int(row["step"]), pytest.approx(row[name], rel=1e-6)))
    return found  # TensorBoard keeps float32


@pytest.mark.parametrize("verb", ["sft", "train"])
def test_no_step_is_there_twice_after_a_run_that_was_stopped_and_one_that_was_killed(
    verb: Verb, tmp_path: Path
) -> None:
    write_workspace(tmp_path)
    if verb == "train":
        run_stage(tmp_path, "sft", "sft.num_steps=1")
    out = tmp_path / "out"
    sets = (TRACKED, f"{verb}.num_steps=6", f"{verb}.checkpoint_every=2", "data.validation.share=0.2")
    sets += ("train.algorithm.name=dr_grpo",)
    stops = StopsAfter(4)
    with pytest.raises(InterruptedByUser):
        run_stage(tmp_path, verb, *sets, out=out, reporter=stops, stop=stops.stop)
    killed = KilledAfter(2)
    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, verb, *sets, out=out, reporter=killed)
    run_stage(tmp_path, verb, *sets, out=out)
    assert len(list((out / "trackers/tensorboard").iterdir())) == 3
    assert scalars(out) == expected(out)
    if verb == "train":
        assert verify_run(out).problems == []
        events = EventAccumulator(str(out / "trackers/tensorboard"), size_guidance={"images": 0})
        events.Reload()
        tags = events.Tags()
        assert {"rollouts/text_summary", "artifacts/text_summary"} <= {*tags["tensors"]}
        assert [event.step for event in events.Images("rollouts/0")] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_had_no_tracker_is_sent_once(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    out = tmp_path / "out"
    run_stage(tmp_path, "sft", "sft.num_steps=2", out=out)
    synced = sync_run(out, ["tensorboard"], anew=False, warn=print)
    assert [(each.name, each.num_steps) for each in synced] == [("tensorboard", 2)]
    assert scalars(out) == expected(out)
    files = sorted(out.rglob("events*"))
    assert sync_run(out, ["tensorboard"], anew=False, warn=print)[0].num_steps == 0
    assert sorted(out.rglob("events*")) == files


class KilledAfter(StopsAfter):
    """Ends the process, as far as the run can tell, without a checkpoint."""

    def advance(self, num: int = 1, **_: object) -> None:
        self._left -= 1
        if self._left < 0 or self._left == 1:
            raise KeyboardInterrupt
