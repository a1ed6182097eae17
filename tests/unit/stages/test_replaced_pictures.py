"""A picture that is replaced while a verb runs is shown to nobody: its row is rejected, and nothing wrong is kept."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from rilctl.artifacts.read import read_rejected, read_rows
from rilctl.errors import DataError
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord, RolloutRecord
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

FEW = ('cache-teacher.teachers=["qwen"]', "cache-teacher.num_responses=1")
SHORT = (
    "train.num_steps=2",
    "train.questions_per_step=8",
    "train.validate_every=2",
    "train.num_validation_questions=2",
)


class Swap(SilentReporter):
    """Replaces a picture when a piece of the verb's work begins."""

    def __init__(self, picture: Path, task: str = "") -> None:
        self._picture, self._task = picture, task

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`."""
        if task.startswith(self._task):
            Image.new("RGB", (56, 56), "white").save(self._picture)


class SwapAll(Swap):
    """Replaces all of a folder."""

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`."""
        for picture in self._picture.glob("*.png"):
            Swap(picture, self._task).begin(task, total=total, unit=unit, done=done)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    recipe = write_workspace(directory, num_questions=8)
    recipe.write_text(recipe.read_text().replace("validation = { share = 0.25 }\n", ""))
    return directory


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "workspace")
    return tmp_path / "workspace"


def texts(artifact: Path) -> dict[str, str]:
    return {row.sample_id: row.text for row in read_rows(artifact, ResponseRecord)}


def reasons(artifact: Path) -> list[tuple[str, str]]:
    return [(row.sample_id, row.reason) for row in read_rejected(artifact)]


def test_a_teacher_isn_t_shown_it_and_the_call_cache_holds_no_answer_to_it(workspace: Path, tmp_path: Path) -> None:
    picture, out = workspace / "3.png", [tmp_path / name for name in ("swapped", "restored", "untouched")]
    before = picture.read_bytes()
    result = run_stage(workspace, "cache-teacher", *FEW, out=out[0], reporter=Swap(picture))
    assert result.num_rejected == 1 and reasons(out[0]) == [("q3", "image-changed")]
    picture.write_bytes(before)
    run_stage(workspace, "cache-teacher", *FEW, out=out[1])
    shutil.rmtree(workspace / "runs/.cache")
    run_stage(workspace, "cache-teacher", *FEW, out=out[2])
    assert texts(out[1]) == texts(out[2])
    assert texts(out[0]) == {name: text for name, text in texts(out[2]).items() if name != "q3"}


def test_it_is_in_no_batch(workspace: Path, tmp_path: Path) -> None:
    sets = (
        "teachers.far.model=far",
        "teachers.far.endpoint.url=http://127.0.0.1:9/v1",
        'cache-teacher.teachers=["far"]',
    )
    folder = f"cache-teacher.write_batch={tmp_path / 'batch'}"
    run_stage(workspace, "cache-teacher", *sets, folder, reporter=Swap(workspace / "3.png"))
    lines = [json.loads(line) for file in (tmp_path / "batch").iterdir() for line in file.read_text().splitlines()]
    questions = {line["body"]["messages"][0]["content"][1]["text"] for line in lines}
    assert questions == {f"what is {index} plus 1?" for index in range(8) if index != 3}


def test_sft_learns_the_other_rows(workspace: Path) -> None:
    run_stage(workspace, "sft", "sft.num_steps=1", reporter=Swap(workspace / "3.png"))
    assert reasons(workspace / "runs/recipe/sft") == [("q3", "image-changed")]


def test_train_asks_the_other_questions(workspace: Path) -> None:
    run_stage(workspace, "cache-teacher", *FEW)
    sets = (*SHORT, "train.algorithm.name=dr_grpo", "train.student=student")
    result = run_stage(workspace, "train", *sets, reporter=Swap(workspace / "3.png"))
    rows = list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))
    assert {row.sample_id for row in rows} == {f"q{index}" for index in range(8) if index != 3}
    assert result.num_rejected == 1


def test_a_discriminator_that_sees_pictures_learns_the_other_questions(workspace: Path) -> None:
    run_stage(workspace, "cache-teacher", *FEW)
    sets = ("pretrain-disc.input=image+question+response", "pretrain-disc.student=student")
    result = run_stage(workspace, "pretrain-disc", *sets, reporter=Swap(workspace / "3.png", "pretrain-disc"))
    out = workspace / "runs/recipe/pretrain-disc"
    assert result.num_rejected == 1 and reasons(out / "discriminator") == [("q3", "image-changed")]
    assert reasons(out / "responses") == []  # it was asked before
    rows = [row for row in read_metrics(out / "metrics.jsonl") if row["step"]]
    assert all("disc/loss" in row and "disc/auc" in row for row in rows)


def test_a_discriminator_whose_every_picture_is_replaced_has_nothing_to_learn(workspace: Path) -> None:
    run_stage(workspace, "cache-teacher", *FEW)
    sets = ("pretrain-disc.input=image+question+response", "pretrain-disc.student=student")
    with pytest.raises(DataError, match="every question was rejected; `q"):
        run_stage(workspace, "pretrain-disc", *sets, reporter=SwapAll(workspace, "pretrain-disc"))
