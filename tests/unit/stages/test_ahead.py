"""Stages that read pictures ahead do the same as stages that don't, and process each picture once per epoch."""

import functools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rilctl.config.load import load_recipe
from rilctl.models.prompts import kept as kept_prompts
from rilctl.models.prompts.ahead import PromptsAhead
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.cache_teacher import run as cache_teacher
from rilctl.stages.pretrain_disc import run as pretrain_disc
from rilctl.stages.sft import run as sft
from rilctl.stages.shared import learning
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.train import run as train
from rilctl.testing.workspaces import write_workspace

STAGES = {"cache-teacher": cache_teacher, "sft": sft, "pretrain-disc": pretrain_disc, "train": train}
NUM_QUESTIONS = 8
SETS = {
    "cache-teacher": ('cache-teacher.teachers=["qwen"]',),
    "sft": ("sft.rows_per_step=4", "sft.num_steps=4"),
    "pretrain-disc": (
        "pretrain-disc.input=image+question+response",
        "pretrain-disc.num_responses=1",
        "pretrain-disc.num_epochs=2",
    ),
    "train": ("train.questions_per_step=4", "train.num_steps=4", "train.algorithm.disc_updates=2"),
}
"""Two epochs, one row for each picture."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    recipe = write_workspace(directory, num_questions=NUM_QUESTIONS)
    text = recipe.read_text().replace("validation = { share = 0.25 }\n", "")
    recipe.write_text(text.replace("num_steps = 4\nrows_per_step = 8\nheld", "rows_per_step = 4\nheld"))
    for verb in ("cache-teacher", "sft", "pretrain-disc"):
        run(directory, verb, directory / "runs/recipe" / verb)
    return directory


def digests(result: StageResult) -> dict[str, str]:
    return {role: output.content_digest for role, output in result.outputs.items()}


def run(workspace: Path, verb: str, out: Path, num_workers: int = 0, *sets: str) -> StageResult:
    engines = ["engine"] if verb in ("cache-teacher", "sft") else ["engine", "generation"]
    workers = [f"{verb}.{engine}.num_workers={num_workers}" for engine in engines]
    recipe = load_recipe([workspace / "recipe.toml"], (*SETS[verb], *workers, *sets))
    return STAGES[verb].run(StageContext(recipe, "recipe", workspace, out, SilentReporter(), "rilctl …"))


@pytest.fixture
def processed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each prompt with a picture is encoded, here or in a worker; nothing is kept that needn't be."""
    counts: Counter[str] = Counter()
    questions: dict[object, str] = {}
    encode, ask, take = kept_prompts.encode_prompt, PromptsAhead.ask, PromptsAhead.take

    def counted_encode(encoder, conversation):
        counts[conversation.question] += bool(conversation.images)
        return encode(encoder, conversation)

    def noted_ask(self, key, conversation):
        questions[key] = conversation.question
        ask(self, key, conversation)

    def counted_take(self, key):
        prompt = take(self, key)
        if prompt is not None:  # else it is encoded here
            counts[questions[key]] += 1
        return prompt

    monkeypatch.setattr(kept_prompts, "encode_prompt", counted_encode)
    monkeypatch.setattr(PromptsAhead, "ask", noted_ask)
    monkeypatch.setattr(PromptsAhead, "take", counted_take)
    monkeypatch.setattr(learning, "KeptPrompts", functools.partial(KeptPrompts, max_bytes=1))
    yield counts


@pytest.mark.parametrize("verb", ["sft", "pretrain-disc", "train"])
def test_reading_ahead_changes_nothing_and_each_picture_is_processed_once_per_epoch(
    verb: str, workspace: Path, tmp_path: Path, processed: Counter[str]
) -> None:
    sets = ("pretrain-disc.responses=runs/recipe/pretrain-disc/responses",)
    results = []
    for num_workers in (0, 2):
        processed.clear()
        results.append(run(workspace, verb, tmp_path / str(num_workers), num_workers, *sets))
        assert processed.keys() == {f"what is {index} plus 1?" for index in range(NUM_QUESTIONS)}
        # 1 where it came last in one epoch and first in the next, 3 where it was held out: see `looking`
        assert set(processed.values()) == ({1, 2, 3} if verb == "pretrain-disc" else {1, 2})
    assert digests(results[0]) == digests(results[1])
    assert len({(tmp_path / name / "metrics.jsonl").read_text() for name in ("0", "2")}) == 1


def test_teachers_that_read_ahead_answer_the_same(workspace: Path, tmp_path: Path) -> None:
    results = []
    for num_workers in (0, 2):
        shutil.rmtree(workspace / "runs/.cache")
        results.append(run(workspace, "cache-teacher", tmp_path / str(num_workers), num_workers))
    assert digests(results[0]) == digests(results[1])
