"""What a plan says of a data set that is large, or isn't there."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.load import load_recipe
from rilctl.errors import DataError
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans import questions
from rilctl.testing.workspaces import write_workspace

SIZE = "data.size={num_questions = 4000, num_held_out = 50, prompt_tokens = 70, image_tokens = 4, response_tokens = 9}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of 600 questions of 3 to 60 words about one picture."""
    folder = tmp_path_factory.mktemp("many")
    write_workspace(folder, num_questions=2)
    chance = random.Random(0)
    rows = [
        {"id": f"q{n}", "image": "0.png", "question": "word " * chance.randint(3, 60), "answer": "yes " * (n % 9 + 1)}
        for n in range(600)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def context(workspace: Path, *overrides: str) -> StageContext:
    recipe = load_recipe([workspace / "recipe.toml"], ["data.validation.share=0", *overrides])
    return StageContext(recipe, "recipe", workspace, workspace / "out", SilentReporter(), "rilctl …")


def planned(verb: Any, context: StageContext) -> dict[str, Any]:
    plan: dict[str, Any] = plan_object(load_stage(verb).plan(context))["plan"]
    return plan


def test_a_part_says_how_far_off_it_may_be(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = planned("sft", context(workspace))
    monkeypatch.setattr(questions, "MOST_ROWS", 200)
    part = planned("sft", context(workspace))
    assert "rows_read" not in exact["data"] and part["data"]["rows_read"] == 200
    assert part["data"]["questions"] == exact["data"]["questions"] == part["work"]["rows"] == 600
    assert part["work"]["steps"] == exact["work"]["steps"]
    error = part["data"]["tokens_error"]
    assert 0.01 < error < 0.1
    assert part["data"]["prompt_tokens"] == pytest.approx(exact["data"]["prompt_tokens"], rel=error)
    assert part["data"]["longest_prompt_tokens"] <= exact["data"]["longest_prompt_tokens"]
    asked, all_asked = planned("cache-teacher", context(workspace)), exact["data"]["questions"]
    each = next(section for name, section in asked.items() if name.startswith("teacher_"))
    assert each["responses"] == all_asked * load_recipe([workspace / "recipe.toml"]).cache_teacher.num_responses  # type: ignore[union-attr]
    monkeypatch.setattr(questions, "MOST_ROWS", 299)
    fewer = planned("train", context(workspace, "data.select.num_samples=50"))
    assert fewer["data"]["questions"] == 50


def test_plans_of_one_walk_read_the_data_once(workspace: Path) -> None:
    first = context(workspace)
    sft = planned("sft", first)
    rows = workspace / "questions.jsonl"
    rows.rename(workspace / "away.jsonl")
    try:
        assert planned("train", replace(first, out=workspace / "other"))["data"]["questions"] == 600
        with pytest.raises(DataError):
            planned("train", context(workspace))
    finally:
        (workspace / "away.jsonl").rename(rows)
    assert sft["data"]["questions"] == 600


@pytest.mark.parametrize("verb", ["cache-teacher", "sft", "pretrain-disc", "train"])
def test_a_stated_size_stands_for_data_that_is_not_there(workspace: Path, verb: str) -> None:
    away = context(workspace, SIZE, "data.path=nowhere.jsonl")
    plan = planned(verb, away)
    assert plan["data"]["questions"] == 4000 and plan["data"]["sizes"] == "data.size"
    assert plan["data"]["prompt_tokens"] == 280_000 and plan["data"]["pictures"] is None
    assert plan["peak_memory"]["peak_bytes"] > 0
    if verb == "sft":
        assert plan["work"]["rows"] == 4000 and plan["data"]["held_out"] == 50
    assert planned(verb, context(workspace, SIZE))["data"]["questions"] == 600  # it is there, and read
    with pytest.raises(DataError):
        planned(verb, context(workspace, "data.path=nowhere.jsonl"))
