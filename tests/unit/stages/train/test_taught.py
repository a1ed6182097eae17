"""`ril_sft`: given responses by heart and rewards in one run, on small models in this process."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rilctl import api
from rilctl.artifacts.read import read_rows
from rilctl.config.load import load_recipe
from rilctl.config.losses import TaughtConfig
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.errors import ConfigError, InterruptedByUser
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import VerdictRecord
from rilctl.testing.stages import StopsAfter, run_stage, write_trainable_workspace

RIL_SFT = ("train.algorithm.name=ril_sft", "train.validate_every=4", "train.checkpoint_every=1", "train.num_steps=4")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_trainable_workspace(tmp_path_factory.mktemp("workspace"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RuleJudge, "verdicts", some_are_right)
        run_stage(directory, "judge")
    return directory


def some_are_right(judge: RuleJudge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
    """Of random weights no answer is."""
    return [Verdict(sum(request.response.encode()) % 2 == 0, request.response, "drawn") for request in requests]


def test_the_one_part_gives_way_to_the_other() -> None:
    half, whole = TaughtConfig(), TaughtConfig(until=1.0)
    assert [half.weight(step, 8) for step in range(1, 7)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert [whole.weight(step, 4) for step in range(1, 5)] == [1.0, 0.75, 0.5, 0.25]
    assert TaughtConfig(until=0.0).weight(1, 4) == 0.0
    assert (half.num_steps(8), whole.num_steps(4), TaughtConfig(until=0.0).num_steps(4)) == (4, 4, 0)


def test_a_run_is_stopped_and_goes_on_bit_for_bit(workspace: Path, tmp_path: Path) -> None:
    keys = (*RIL_SFT, "train.sft.responses=teacher-cache", "train.sft.rows_per_step=5", "train.sft.until=0.75")
    keys = (*keys, "train.verdicts=runs/recipe/judge", "train.algorithm.policy_updates=2")
    whole = run_stage(workspace, "train", *keys, out=tmp_path / "whole")
    stops = StopsAfter(2)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *keys, out=tmp_path / "parts", reporter=stops, stop=stops.stop)
    parts = run_stage(workspace, "train", *keys, out=tmp_path / "parts")
    assert {role: each.content_digest for role, each in parts.outputs.items()} == {
        role: each.content_digest for role, each in whole.outputs.items()
    }
    rows = read_metrics(tmp_path / "parts/metrics.jsonl")
    assert rows == read_metrics(tmp_path / "whole/metrics.jsonl")
    weights = [row.get("policy/sft_weight") for row in rows[1:]]
    assert weights == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), None]
    assert rows[1]["policy/loss"] == pytest.approx(rows[1]["policy/sft_loss"], rel=1e-5)  # summed in float32
    assert rows[1]["policy/num_sft_tokens"] > 0 and rows[1]["policy/num_student_tokens"] > 0
    assert not any("sft" in name for name in rows[4])


def test_without_its_share_of_the_steps_it_is_ril(workspace: Path, tmp_path: Path) -> None:
    keys = ("train.num_steps=2", "train.validate_every=2")
    ril = run_stage(workspace, "train", *keys, out=tmp_path / "ril")
    both = run_stage(workspace, "train", *keys, *RIL_SFT[:1], "train.sft.until=0.0", out=tmp_path / "both")
    assert {role: each.content_digest for role, each in ril.outputs.items()} == {
        role: each.content_digest for role, each in both.outputs.items()
    }


def test_by_heart_are_the_answers_that_are_right(workspace: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Told(StopsAfter):
        def say(self, message: str) -> None:
            said.append(message)

    keys = (*RIL_SFT, "train.sft.responses=teacher-cache", "train.verdicts=runs/recipe/judge", "train.num_steps=1")
    run_stage(workspace, "train", *keys, out=tmp_path / "out", reporter=Told(100))
    verdicts = list(read_rows(workspace / "runs/recipe/judge", VerdictRecord))
    num_right = sum(row.correct is True for row in verdicts)
    (line,) = (each for each in said if each.startswith("train.sft: "))
    assert 0 < int(line.split()[1]) <= num_right < len(verdicts)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["train.sft.until=0.5"], "`ril` learns nothing by heart: leave .train.sft. out"),
        (["train.algorithm.name=ril_sft", "train.sft.responses=teacher-cache"], "name `verdicts` of the cache"),
        (["train.algorithm.name=ril_sft", "train.sft.until=1.5"], "until"),
    ],
)
def test_what_can_t_be_is_refused(sets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe([], sets)


def test_the_plan_counts_the_rows(workspace: Path, tmp_path: Path) -> None:
    def plan(*keys: str) -> dict:
        recipe = api.load_recipe(workspace / "recipe.toml", overrides=keys, base_dir=workspace)
        return api.plan_stage(recipe, "train", out=tmp_path / "out")["plan"]

    ril, both = plan(*RIL_SFT[1:]), plan(*RIL_SFT, "train.sft.rows_per_step=500")
    assert both["work"]["rows_by_heart"] == 2 * 500 and "rows_by_heart" not in ril["work"]
    phases = [found["memory"]["policy_update"]["activations_bytes"] for found in (ril, both)]
    assert phases[1] > phases[0]
