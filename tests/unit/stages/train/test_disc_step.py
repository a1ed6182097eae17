"""What the discriminator learns and says in a run, as `[train.discriminator]` wants it."""

from pathlib import Path
from statistics import median

import pytest

from rilctl.artifacts.read import read_rows
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

SHORT = ("train.num_steps=2", "train.validate_every=2", "train.num_validation_questions=2")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    for verb in ("cache-teacher", "sft", "pretrain-disc"):
        run_stage(directory, verb)
    run_stage(directory, "pretrain-disc", "pretrain-disc.loss=bradley-terry", out=directory / "pairs")
    return directory


def rollouts(result: StageResult) -> list[RolloutRecord]:
    return list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))


def similarities(result: StageResult) -> list[tuple[float, float]]:
    return [(row.disc_logit, row.similarity_reward) for row in rollouts(result)]


def test_a_graded_reward_says_how_sure_the_discriminator_is(workspace, tmp_path):
    result = run_stage(workspace, "train", *SHORT, "train.discriminator.reward=graded", out=tmp_path / "out")
    found = similarities(result)
    assert all(0 < reward < 1 and (reward > 0.5) == (logit < 0) for logit, reward in found)


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
