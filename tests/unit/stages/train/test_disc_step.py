"""What the discriminator learns and says in a run, as `[train.discriminator]` wants it."""

from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from rilctl import api
from rilctl.artifacts.read import read_rows
from rilctl.config.load import load_recipe
from rilctl.errors import ConfigError, UsageError
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

SHORT = ("train.num_steps=2", "train.validate_every=2", "train.num_validation_questions=2")
SEES = ("pretrain-disc.input=image+question+response",)
SWAPS = ("pretrain-disc.negatives=students+swapped",)


class Told(SilentReporter):
    """Keeps what it is warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    for verb in ("cache-teacher", "sft", "pretrain-disc"):
        run_stage(directory, verb)
    for name, sets in (("sees", (*SEES, *SWAPS)), ("pairs", ("pretrain-disc.loss=bradley-terry",))):
        run_stage(directory, "pretrain-disc", *sets, out=directory / name)
    return directory


def rollouts(result: StageResult) -> list[RolloutRecord]:
    return list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))


def similarities(result: StageResult) -> list[tuple[float, float]]:
    return [(row.disc_logit, row.similarity_reward) for row in rollouts(result)]


def test_a_graded_reward_says_how_sure_the_discriminator_is(workspace, tmp_path):
    result = run_stage(workspace, "train", *SHORT, "train.discriminator.reward=graded", out=tmp_path / "out")
    found = similarities(result)
    assert all(0 < reward < 1 and (reward > 0.5) == (logit < 0) for logit, reward in found)


def test_swapped_pictures_are_learned_and_measured_and_no_row_of_the_policys(workspace, tmp_path, monkeypatch):
    seen = list[DiscriminatorRow]()
    forward = Discriminator.forward
    monkeypatch.setattr(Discriminator, "forward", lambda self, rows: seen.extend(rows) or forward(self, rows))
    disc = f"train.discriminator_artifact={workspace / 'sees/discriminator'}"
    sets = (disc, "train.discriminator.negatives=students+swapped")
    result = run_stage(workspace, "train", *SHORT, *sets, out=tmp_path / "out")
    by_text = Counter((row.conversation.question, row.text, *row.conversation.image_digests) for row in seen)
    pictures = {question: digests for question, _, *digests in by_text}
    assert any(digests != pictures[question] for question, _, *digests in by_text), "beside another picture"
    for line in read_metrics(tmp_path / "out/metrics.jsonl")[1:]:
        assert line["disc/num_swapped"] == line["disc/num_teachers"] == 3 * 2
        assert 0 <= line["disc/swap_auc"] <= 1
    plain = run_stage(workspace, "train", *SHORT, disc, out=tmp_path / "plain")
    assert len(rollouts(result)) == len(rollouts(plain))
    assert "disc/num_swapped" not in read_metrics(tmp_path / "plain/metrics.jsonl")[-1]
    assert [row.text for row in rollouts(result)][:6] == [row.text for row in rollouts(plain)][:6]


def test_pretraining_reports_whether_it_looks_on_held_out_questions(workspace, tmp_path):
    told = Told()
    result = run_stage(workspace, "pretrain-disc", *SEES, *SWAPS, out=tmp_path / "out", reporter=told)
    held_out = {name.removeprefix("held_out/"): value for name, value in result.summary.items()}
    assert held_out["num_swapped"] + sum("have no swapped picture" in each for each in told.warnings) > 0
    assert 0 <= held_out["swap_auc"] <= 1 and held_out["num_students"] == held_out["num_teachers"]
    assert "disc/swap_margin" in read_metrics(tmp_path / "out/metrics.jsonl")[-1]


def test_where_all_have_one_picture_nothing_is_swapped_and_a_person_is_told(tmp_path):
    write_workspace(tmp_path)
    for path in tmp_path.glob("[0-9]*.png"):
        path.write_bytes((tmp_path / "0.png").read_bytes())
    for verb in ("cache-teacher", "sft"):
        run_stage(tmp_path, verb)
    told = Told()
    result = run_stage(tmp_path, "pretrain-disc", *SEES, *SWAPS, reporter=told)
    assert any("teachers' responses have no swapped picture" in each for each in told.warnings)
    assert result.summary["held_out/num_swapped"] == 0 and "held_out/swap_auc" not in result.summary
    run_stage(tmp_path, "train", *SHORT, *SEES, *SWAPS, "train.discriminator.negatives=students+swapped", reporter=told)
    assert any("questions have no other picture of their form" in each for each in told.warnings)


def test_a_discriminator_without_pictures_can_t_learn_from_swapped_ones(workspace, tmp_path):
    with pytest.raises(ConfigError, match='needs input = "image\\+question\\+response"'):
        load_recipe([workspace / "recipe.toml"], SWAPS)
    with pytest.raises(UsageError, match="the discriminator sees `response` alone"):
        run_stage(workspace, "train", "train.discriminator.negatives=students+swapped", out=tmp_path / "out")


def test_bradley_terry_s_threshold_is_the_median_teacher_of_each_group(workspace, tmp_path):
    sets = (*SHORT, f"train.discriminator_artifact={workspace / 'pairs/discriminator'}")
    binary = run_stage(workspace, "train", *sets, out=tmp_path / "binary")
    graded = run_stage(workspace, "train", *sets, "train.discriminator.reward=graded", out=tmp_path / "graded")
    assert all(0 < reward < 1 for _, reward in similarities(graded))
    for result in (binary, graded):
        groups: dict[tuple[int, str], list[RolloutRecord]] = {}
        for row in rollouts(result):
            groups.setdefault((row.step, row.sample_id), []).append(row)
        for rows in groups.values():
            teachers = [row.disc_logit for row in rows if row.side == "teacher"]
            below = [row.disc_logit < median(teachers) for row in rows]
            assert [row.similarity_reward > 0.5 for row in rows] == below


def test_a_plan_counts_what_the_discriminator_alone_learns_from(workspace):
    def planned(*sets: str) -> tuple[dict, dict]:
        recipe = api.load_recipe(workspace / "recipe.toml", overrides=(*SEES, *sets), base_dir=workspace)
        first, second = (api.plan_stage(recipe, verb, out="new")["plan"] for verb in ("pretrain-disc", "train"))
        return first, second

    disc = f"train.discriminator_artifact={workspace / 'sees/discriminator'}"
    plain = planned(disc)
    more = planned(disc, *SWAPS, "train.discriminator.negatives=students+swapped")
    assert "rows_beside_swapped_pictures" not in plain[0]["work"]
    assert more[0]["work"]["rows_beside_swapped_pictures"] == 4, "half of a step's 8 rows are teachers'"
    assert "rows_for_the_discriminator_alone" not in plain[1]["work"]
    assert more[1]["work"]["rows_for_the_discriminator_alone"] == 2
    for before, after in zip(plain, more, strict=True):
        update = [plan["memory"]["discriminator_update"]["activations_bytes"] for plan in (before, after)]
        assert update[0] < update[1], "its prompts and rows lie in memory as well"
