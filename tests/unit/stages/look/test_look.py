"""A recipe's rows as models will see them, and one question to one model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.recipe import Recipe
from rilctl.errors import DataError, UsageError
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_model
from rilctl.models.prompts.encode import encode_prompt
from rilctl.quickstart.world import make_row
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.look.ask import ask, find_asked
from rilctl.stages.look.check import check_data
from rilctl.stages.look.rows import shown_rows
from rilctl.stages.shared.context import StageContext
from rilctl.testing.families import build_family

Make = Callable[..., StageContext]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def context(**tables: Any) -> StageContext:
        given = {"student": {"model": "pocket-student"}, **tables}
        recipe = Recipe.model_validate_json(json.dumps(given))
        return StageContext(recipe, "demo", tmp_path, tmp_path / "out", SilentReporter(), "rilctl data check")

    return context


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"type": "jsonl", "path": "rows.jsonl", "columns": {"images": "image"}}


def draw(folder: Path, index: int) -> str:
    make_row("train", 0, index).image.save(folder / f"{index}.png")
    return f"{index}.png"


def test_a_rows_prompt_is_what_the_student_is_given_and_of_teachers_what_differs(make: Make, tmp_path: Path) -> None:
    data = write_rows(tmp_path, [{"id": "a", "image": draw(tmp_path, 0), "question": "sum", "answer": "3"}])
    teachers = {
        "same": {"model": "pocket-teacher-qwen"},
        "other": {"model": "pocket-teacher-internvl"},
        "far": {"model": "gpt", "endpoint": {"url": "http://localhost:1/v1"}},
        "led": {"model": "pocket-teacher-qwen", "system": "be brief"},
    }
    (row,) = shown_rows(make(data=data, teachers=teachers), split="train", limit=5)
    assert set(row.prompts) == {"student", "other", "far", "led"}
    assert "system\nbe brief" in row.prompts["led"] and "be brief" not in row.prompts["student"]
    assert row.prompts["far"] == [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "sum"}]}]
    source = find_model("pocket-student", revision=None, base_dir=tmp_path)
    encoder = Encoder(load_processor(source), source)
    encoded = encode_prompt(encoder, row.sample.conversation)
    assert row.num_tokens == len(encoded.token_ids_P)
    assert [(each.size_px, each.tokens) for each in row.pictures] == [((56, 56), 4)]
    shown = encoder.tokenizer(str(row.prompts["student"]), add_special_tokens=False)["input_ids"]
    assert len(shown) == row.num_tokens - 4 + 1


def test_no_more_rows_than_the_limit(make: Make) -> None:
    data = {"type": "digits", "num_questions": 4}
    assert len(list(shown_rows(make(data=data), split="train", limit=3))) == 3


def test_check_counts_what_verbs_would_meet(make: Make, tmp_path: Path) -> None:
    good = draw(tmp_path, 0)
    torn = tmp_path / "torn.png"
    content = (tmp_path / draw(tmp_path, 1)).read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    rows: list[dict[str, Any]] = [
        {"id": "a", "image": good, "question": "sum", "answer": "3"},
        {"id": "equal", "image": good, "question": "sum", "answer": "3"},
        {"id": "near", "image": good, "question": "Sum?", "answer": "3"},
        {"id": "other", "image": draw(tmp_path, 2), "question": "sum", "answer": "4"},
        {"id": "torn", "image": "torn.png", "question": "sum", "answer": "4"},
        {"id": "gone", "image": "gone.png", "question": "sum", "answer": "4"},
        {"id": "empty", "image": good, "question": "sum", "answer": ""},
    ]
    report = check_data(make(data=write_rows(tmp_path, rows)))
    train = report.splits["train"]
    assert (train.num_rows, train.num_pictures, train.num_distinct_pictures) == (4, 4, 2)
    assert (train.num_equal, train.num_near) == (1, 1)
    assert {(problem.reason, problem.num_rows) for problem in train.problems} == {
        ("image-truncated", 1),
        ("image-missing", 1),
        ("answer-empty", 1),
    }
    assert report.num_bad == 3
    assert train.image_tokens is not None and train.image_tokens == (4, 4, 4, 16)
    assert train.response_tokens is not None and train.response_tokens.total == 4


def test_check_compares_the_splits(make: Make, tmp_path: Path) -> None:
    rows = [{"id": "a", "image": draw(tmp_path, 0), "question": "sum", "answer": "3"}]
    (tmp_path / "held.jsonl").write_text(json.dumps({**rows[0], "id": "h", "question": "SUM", "answer": "5"}) + "\n")
    data = {**write_rows(tmp_path, rows), "validation": {"path": "held.jsonl"}}
    report = check_data(make(data=data))
    assert (report.num_near_held_out, report.num_shared_pictures, report.num_bad) == (1, 1, 0)
    assert report.splits["validation"].num_rows == 1


def test_rows_that_a_model_cannot_be_asked_are_counted_by_model(make: Make, tmp_path: Path) -> None:
    words = build_family(tmp_path / "words", "text")
    rows = [{"id": "a", "image": draw(tmp_path, 0), "question": "sum", "answer": "3"}]
    context = make(data=write_rows(tmp_path, rows), teachers={"words": {"model": str(words)}})
    (problem,) = check_data(context).splits["train"].problems
    assert (problem.who, problem.reason, problem.num_rows) == ("words", "image-unsupported", 1)
    (row,) = shown_rows(context, split="train", limit=1)
    assert row.refused.keys() == {"words"} and row.prompts.keys() == {"student"}


def test_one_question(make: Make, tmp_path: Path) -> None:
    image = tmp_path / draw(tmp_path, 0)
    answer = ask(make(), "student", "sum of all digits", [image], max_new_tokens=8)
    assert answer.asked.model.model == "pocket-student"
    assert answer.response.text.startswith("answer ")
    assert (answer.sizes_px, answer.processed, answer.num_image_tokens) == (((56, 56),), ("56 x 56 px",), 4)
    assert isinstance(answer.prompt, str) and "sum of all digits" in answer.prompt
    assert answer.response.num_tokens is not None and answer.response.num_tokens <= 8


def test_whom_a_name_means(make: Make) -> None:
    judge = {"type": "llm", "model": "pocket-teacher-qwen", "max_new_tokens": 7}
    teachers = {"far": {"model": "gpt", "endpoint": {"url": "http://localhost:1/v1"}, "sampling": {"top_p": 0.5}}}
    recipe = make(judge=judge, teachers=teachers)
    assert find_asked(recipe, "judge", None).sampling.max_new_tokens == 7
    far = find_asked(recipe, "far", 9)
    assert (far.endpoint is not None, far.sampling.top_p, far.sampling.max_new_tokens) == (True, 0.5, 9)
    assert find_asked(recipe, "pocket-teacher-internvl", None).role == ""
    with pytest.raises(UsageError, match="no model `fra`") as caught:
        find_asked(recipe, "fra", None)
    assert caught.value.hint == "did you mean `far`?"
    with pytest.raises(UsageError, match="knows rules alone"):
        find_asked(make(), "judge", None)


def test_a_picture_that_cannot_be_read_is_said_before_a_model_is_loaded(make: Make, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(DataError, match="page.png"):
        ask(make(), "student", "what?", [tmp_path / "page.png"], max_new_tokens=None)
