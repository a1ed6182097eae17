"""`rilctl diff` on real runs."""

from pathlib import Path
from typing import Any

from rilctl import api
from rilctl.schemas.difference import Difference

from .helpers import call, snapshot

Finished = tuple[Path, dict[str, dict[str, Any]]]


def test_a_run_that_was_repeated_with_other_keys(done: Path) -> None:
    changes = ["--set", "sft.optim.lr=0.01", "--set", "sft.checkpoint_every=1"]
    assert call(done, "sft", "recipe.toml", "--out", "runs/other", *changes).code == 0
    before = snapshot(done)
    outcome = call(done, "diff", "runs/recipe/sft", "runs/other", "--json")
    assert outcome.code == 0, outcome.stderr
    found = Difference.model_validate_json(outcome.stdout)
    assert not found.same and found.problems == []
    assert [(each.key, each.b, each.effect) for each in found.recipe] == [
        ("sft.optim.lr", 0.01, "semantic"),
        ("sft.checkpoint_every", 1, "execution"),
    ]
    assert all(each.same for each in found.inputs)
    loss = next(each for each in found.metrics if each.metric == "sft/loss")
    assert (loss.step, len(loss.points), loss.points[0][1] == loss.points[0][2]) == (3, 3, True)  # before the update
    assert loss.first_step == 2
    assert found.speed[0].phase == "step" and found.speed[0].a_s > 0
    outcome = call(done, "diff", "runs/recipe/sft", "runs/other")
    assert outcome.code == 0
    for part in ("recipe: 2 keys differ", "contents: 0 of 1 equal", "inputs: ", "sft/loss", "seconds of a step"):
        assert part in outcome.stdout, part
    assert snapshot(done) == before


def test_a_run_and_itself(finished: Finished) -> None:
    outcome = call(finished[0], "diff", "runs/recipe/train", "runs/recipe/train")
    assert outcome.code == 0
    assert "contents: 3 of 3 equal" in outcome.stdout or "contents: 4 of 4 equal" in outcome.stdout
    assert "recipe: 0 keys differ" in outcome.stdout and "became wrong" in outcome.stdout
    assert api.diff(finished[0] / "runs/recipe/eval", finished[0] / "runs/recipe/eval").same


def test_what_can_t_be_compared(finished: Finished) -> None:
    call(finished[0], "diff", "runs/recipe/train", "runs").refused(2, "`runs` holds 6 runs")
    call(finished[0], "diff", "runs/recipe/train", "runs/recipe/trian").refused(5, "doesn't exist", "did you mean")
    call(finished[0], "diff", "runs/recipe/train").refused(2, "missing argument")
