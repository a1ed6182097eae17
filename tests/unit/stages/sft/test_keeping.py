"""Which of the teachers' responses `sft` learns, and what it says of the others."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_rows
from rilctl.config.load import load_recipe
from rilctl.config.sft import Keep
from rilctl.data.conversation import Conversation
from rilctl.errors import ArtifactError, ConfigError
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.sft.inputs import find_rows
from rilctl.stages.sft.keeping import Kept, keep_rows
from rilctl.stages.sft.rows import SftRow
from rilctl.stages.shared.cached_responses import CachedResponses
from rilctl.stages.shared.context import StageContext
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

TEACHERS = "sft.responses=teacher-cache"


def rows(**verdicts: list[bool | None]) -> list[SftRow]:
    """A row for each verdict, by question."""
    return [
        SftRow(name, Conversation.of(name), f"{name}{place}", True, response_index=place, correct=correct)
        for name, of_question in verdicts.items()
        for place, correct in enumerate(of_question)
    ]


def kept(given: list[SftRow], keep: Keep = "all", difficulty: tuple[float, float] | None = None, seed: int = 0) -> Kept:
    return keep_rows(given, keep=keep, difficulty=difficulty, seed=seed)


def texts(found: Kept) -> list[str]:
    return [row.text for row in found.rows]


def test_all_but_empty_ones_are_kept() -> None:
    found = kept([*rows(a=[True, False, None]), SftRow("b", Conversation.of("b"), "", True)])
    assert texts(found) == ["a0", "a1", "a2"]
    assert found.left_out == {"empty": 1}
    assert found.line == "3 of 4 kept (left out: 1 empty)"


def test_no_text_is_read_before_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_workspace(tmp_path, num_questions=8)
    run_stage(tmp_path, "cache-teacher")
    cache, tables = tmp_path / "runs/recipe/cache-teacher", load_recipe([recipe], (TEACHERS,))
    context = StageContext(tables, "recipe", tmp_path, tmp_path / "out", SilentReporter(), "")
    with monkeypatch.context() as unread:
        unread.setattr(CachedResponses, "texts", lambda self, numbers: pytest.fail("a text is read"))
        assert tables.sft is not None
        found = find_rows(context, tables.sft, ())
    whole = {(row.sample_id, row.source, row.response_index): row for row in read_rows(cache, ResponseRecord)}
    assert len(found.units) == sum(bool(row.text) for row in whole.values())
    for (row,) in found.units:
        cached = whole[row.sample_id, row.source, row.response_index]
        assert (row.text, row.stopped) == (cached.text, cached.finish_reason != "length")


def test_right_ones_are_kept_and_no_verdict_is_not_wrong() -> None:
    found = kept(rows(a=[True, False, None, True], b=[False]), "right")
    assert texts(found) == ["a0", "a3"]
    assert found.left_out == {"no-verdict": 1, "wrong": 2}


def test_of_each_question_one_of_the_right_ones_is_drawn() -> None:
    given = rows(a=[False, True, True, True], b=[True], c=[False, None])
    found = kept(given, "best")
    assert [row.sample_id for row in found.rows] == ["a", "b"]
    assert all(row.correct for row in found.rows)
    assert found.left_out == {"no-verdict": 1, "not-best": 2, "wrong": 2}
    assert {texts(kept(given, "best", seed=seed))[0] for seed in range(30)} == {"a1", "a2", "a3"}


def test_a_band_of_difficulty_has_both_its_ends_and_leaves_whole_questions_out() -> None:
    given = rows(a=[True, True], b=[True, False, None], c=[False, False], d=[None])
    found = kept(given, difficulty=(0.5, 0.99))
    assert texts(found) == ["b0", "b1", "b2"]
    assert found.left_out == {"no-verdict": 1, "too-easy": 2, "too-hard": 2}
    assert texts(kept(given, "right", (0.5, 1.0))) == ["a0", "a1", "b0"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a question's four responses one teacher's are right, and of every second question the other's as well."""
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=8)
    cache_answers(directory, "cache-teacher")
    run_stage(directory, "judge")
    return directory


def cache_answers(workspace: Path, name: str, ending: str = "") -> None:
    questions = [json.loads(line) for line in (workspace / "questions.jsonl").read_text().splitlines()]
    answers = [
        {"sample_id": each["id"], "teacher": teacher, "text": f"answer {int(each['answer']) + off}{ending}"}
        for number, each in enumerate(questions)
        for teacher, off in (("qwen", 0), ("internvl", number % 2))
        for _ in range(2)
    ]
    file = workspace / f"{name}.jsonl"
    file.write_text("\n".join(map(json.dumps, answers)))
    run_stage(workspace, "cache-teacher", f"cache-teacher.imports=['{file}']", out=workspace / "runs/recipe" / name)


def work(workspace: Path, *keys: str) -> dict:
    recipe = load_recipe([workspace / "recipe.toml"], keys)
    context = StageContext(recipe, "recipe", workspace, workspace / "planned", SilentReporter(), "rilctl …")
    found: dict = plan_object(load_stage("sft").plan(context))["plan"]["work"]
    return found


@pytest.mark.parametrize("keys", [("sft.keep=right",), ("sft.keep=best",), ("sft.difficulty=[0.2, 0.8]",)])
def test_a_plan_counts_what_a_run_learns(workspace: Path, keys: tuple[str, ...], tmp_path: Path) -> None:
    result = run_stage(workspace, "sft", TEACHERS, "sft.num_steps=2", *keys, out=tmp_path / "out")
    first, second = read_metrics(tmp_path / "out/metrics.jsonl")
    counts = {name: value for name, value in first.items() if name.startswith(("sft/num_kept", "sft/num_left_out"))}
    assert counts and not counts.keys() & second.keys()
    assert counts.items() <= result.summary.items()
    planned = work(workspace, TEACHERS, *keys)
    assert planned["rows"] == counts.pop("sft/num_kept")
    assert {f"left_out_{name.rpartition('/')[2].replace('-', '_')}": num for name, num in counts.items()} == {
        name: num for name, num in planned.items() if name.startswith("left_out_")
    }


def test_a_plan_before_the_verdicts_counts_what_there_may_be(workspace: Path) -> None:
    assert "left_out_wrong" not in work(workspace, TEACHERS, "workspace.root=elsewhere", "sft.keep=right")
    assert work(workspace, TEACHERS, "workspace.root=elsewhere", "sft.keep=best")["rows"] == 7


def test_verdicts_of_another_cache_are_refused(workspace: Path, tmp_path: Path) -> None:
    cache_answers(workspace, "other", ending=" it is")
    keys = (TEACHERS, "sft.keep=right", "sft.teacher_cache=runs/recipe/other")
    with pytest.raises(ArtifactError, match=r"no verdict on 28 of the 28 responses of .*other") as refused:
        run_stage(workspace, "sft", *keys, out=tmp_path / "out")
    assert "rilctl judge" in (refused.value.hint or "")


def test_nothing_left_is_said_with_its_reasons(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"0 of 28 kept \(left out: \d+ too-easy, \d+ too-hard\)"):
        run_stage(workspace, "sft", TEACHERS, "sft.difficulty=[0.6, 0.9]", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("sft.keep=right",), "keep needs responses"),
        (("sft.difficulty=[0.1, 0.9]",), "difficulty needs responses"),
        ((TEACHERS, "sft.difficulty=[0.9, 0.1]"), "the lower end first"),
    ],
)
def test_what_makes_no_sense_is_refused(workspace: Path, keys: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe([workspace / "recipe.toml"], keys)
