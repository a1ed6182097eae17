"""Every key of a suite that our own runner runs works, or is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from rilctl.config.suite import Benchmark, find_suite
from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.engines.evaluation.own import OwnEvaluation
from rilctl.errors import ConfigError, DataError
from rilctl.testing.scripted import ScriptedGeneration

ROWS = [
    {"id": f"q{number}", "question": f"{number}", "answer": "yes" if number % 3 else "no", "kind": kind, "level": level}
    for number, (kind, level) in enumerate([("colour", 1), ("colour", 2), ("size", 1), ("size", 2), ("size", 2)] * 2)
]
TASK = {
    "task": "mine",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "test.jsonl", "dev": "dev.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_visual": "visual",
    "doc_to_text": "question",
    "doc_to_target": "answer",
    "process_results": "results",
    "metric_list": [
        {"metric": "right", "aggregation": "mean"},
        {"metric": "percent", "aggregation": "mean"},
        {"metric": "worst", "aggregation": "min"},
    ],
}
FUNCTIONS = """
def visual(doc):
    return []


def results(doc, results):
    right = float(results[0] == doc["answer"])
    return {"right": right, "percent": 100 * right, "worst": right}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = yaml.safe_dump(TASK)
    for key in ("doc_to_visual", "process_results"):
        text = text.replace(f"{key}: {TASK[key]}\n", f"{key}: !function utils.{TASK[key]}\n")
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "utils.py").write_text(FUNCTIONS)
    write_rows(tmp_path, ROWS)
    return tmp_path


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Of both splits: `datasets` wants them to have the same columns."""
    for split, some in (("test", rows), ("dev", rows[:3])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))


def benchmark(name: str = "B", **keys: Any) -> Benchmark:
    return Benchmark(**{"name": name, "tasks": ("mine",), "dataset": "own", "split": "test", "metric": "right", **keys})


def evaluate(folder: Path, asked: Benchmark, *, says: str = "yes") -> BenchmarkResult:
    return OwnEvaluation(folder).evaluate(asked, ScriptedGeneration(lambda *_: says), limit=None, seed=0)


def ids(result: BenchmarkResult) -> list[str]:
    return [record.sample_id for record in result.records]


def test_only_asks_rows_with_these_values(folder: Path) -> None:
    assert ids(evaluate(folder, benchmark(only={"kind": "colour"}))) == ["q0", "q1", "q5", "q6"]
    assert ids(evaluate(folder, benchmark(only={"kind": "size", "level": 2}))) == ["q3", "q4", "q8", "q9"]
    assert ids(evaluate(folder, benchmark(only={"level": "1"}))) == ["q0", "q2", "q5", "q7"]


def test_three_benchmarks_of_one_task_have_their_own_rows_settings_and_records(folder: Path) -> None:
    kinds = [benchmark("Colour", only={"kind": "colour"}), benchmark("Size", only={"kind": "size"}), benchmark("All")]
    evaluation = OwnEvaluation(folder, {"mine"})
    generation = ScriptedGeneration(lambda *_: "yes")
    results = [evaluation.evaluate(each, generation, limit=None, seed=0) for each in kinds]
    assert [len(result.records) for result in results] == [4, 6, 10]
    assert [sum(record.score for record in result.records) for result in results] == [2, 4, 6]
    assert {record.benchmark for record in results[0].records} == {"Colour/mine"}
    settings = evaluation.settings(kinds[0], limit=None) | evaluation.settings(kinds[1], limit=None)
    assert (settings["Colour/mine.num_questions"], settings["Size/mine.num_questions"]) == ("4", "6")
    assert settings["Colour/mine.questions"] != settings["Size/mine.questions"]


def test_limit_counts_the_rows_that_are_asked(folder: Path) -> None:
    evaluation = OwnEvaluation(folder)
    asked = evaluation.questions(benchmark(only={"kind": "size"}), limit=2, seed=0)
    assert [request.sample_id for request in asked[0].requests] == ["q2", "q3"]


def test_split_says_which_rows_are_read(folder: Path) -> None:
    assert ids(evaluate(folder, benchmark(split="dev"))) == ["q0", "q1", "q2"]
    with pytest.raises(DataError, match="task `mine`: its data can't be read: .*validation"):
        evaluate(folder, benchmark(split="validation"))


def test_metric_and_scale(folder: Path) -> None:
    assert [r.score for r in evaluate(folder, benchmark(metric="percent", scale=100)).records] == [0, 1, 1] * 3 + [0]
    with pytest.raises(ConfigError, match="has no metric `rihgt`; did you mean `right`"):
        evaluate(folder, benchmark(metric="rihgt"))
    with pytest.raises(ConfigError, match="`worst` must have `aggregation: mean`"):
        evaluate(folder, benchmark(metric="worst"))
    outside = evaluate(folder, benchmark(metric="percent"))
    assert {(row.reason, row.message) for row in outside.rejected} == {
        ("score-out-of-scale", "`percent` is 100, and the suite's `scale` is 1")
    }


def test_rotations_are_one_question_that_is_right_if_all_are(folder: Path) -> None:
    rows = [
        {**ROWS[0], "id": f"{question}-{turn}", "index": question + turn * 1_000_000, "answer": answer}
        for question, answers in enumerate([("yes", "yes"), ("yes", "no"), ("no", "no")])
        for turn, answer in enumerate(answers)
    ]
    write_rows(folder, rows)
    result = evaluate(folder, benchmark(rotations=True))
    assert [(r.sample_id, r.score) for r in result.records] == [("0-0", 1.0), ("1-0", 0.0), ("2-0", 0.0)]
    assert len(result.responses) == 6


def test_a_rotation_without_a_score_takes_its_question_along(folder: Path) -> None:
    rows = [{**ROWS[0], "id": str(k), "index": 3 + k * 1_000_000, "answer": None if k else "yes"} for k in range(2)]
    write_rows(folder, rows)
    (folder / "utils.py").write_text(FUNCTIONS.replace('== doc["answer"]', '== doc["answer"].strip()'))
    result = evaluate(folder, benchmark(rotations=True))
    assert result.records == ()
    assert [row.reason for row in result.rejected] == ["rotation-missing", "task-function"]


def test_whole_numbers_that_are_stored_with_a_point(folder: Path) -> None:
    (folder / "utils.py").write_text(FUNCTIONS.replace('doc["answer"])', 'str(round(2.5, doc["digits"])))'))
    write_rows(folder, [{**ROWS[0], "id": str(digits), "digits": digits} for digits in (1.0, 1.5)])
    result = evaluate(folder, benchmark(whole=("digits",)), says="2.5")
    assert [(record.sample_id, record.score) for record in result.records] == [("1.0", 1.0)]
    assert [(row.sample_id, row.reason) for row in result.rejected] == [("1.5", "field-type")]
    assert evaluate(folder, benchmark(), says="2.5").rejected[0].reason == "task-function"


def test_by_says_of_which_kind_a_question_is(folder: Path) -> None:
    assert [r.part for r in evaluate(folder, benchmark(by="kind")).records[:3]] == ["colour", "colour", "size"]
    assert [r.part for r in evaluate(folder, benchmark(by="level")).records[:3]] == ["1", "2", "1"]
    assert evaluate(folder, benchmark()).records[0].part is None
    write_rows(folder, [{**ROWS[0], "id": str(number)} for number in range(51)])
    with pytest.raises(ConfigError, match="`by = 'id'` has more than 50 values"):
        evaluate(folder, benchmark(by="id"))


def test_a_class_has_its_name(folder: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(
        {"question": Value("string"), "answer": Value("string"), "kind": ClassLabel(names=["size", "colour"])}
    )
    rows = [{"question": f"q{i}", "answer": "yes", "kind": i % 2} for i in range(4)]
    Dataset.from_list(rows, features=features).to_parquet(folder / "rows.parquet")
    text = (folder / "mine.yaml").read_text().replace("dataset_path: json", "dataset_path: parquet")
    (folder / "mine.yaml").write_text(text.replace("test.jsonl", "rows.parquet").replace("dev.jsonl", "rows.parquet"))
    result = evaluate(folder, benchmark(only={"kind": "colour"}, by="kind"))
    assert [(record.sample_id, record.part) for record in result.records] == [("1", "colour"), ("3", "colour")]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"only": {"knid": "size"}}, "`only` needs column `knid`, .* did you mean `kind`"),
        ({"by": "sort"}, "`by` needs column `sort`"),
        ({"whole": ("digits",)}, "`whole` needs column `digits`"),
        ({"rotations": True}, "`rotations` needs column `index`"),
        ({"revision": "v2"}, "`revision = 'v2'`; task `mine` reads files"),
    ],
)
def test_what_the_data_lacks_is_said_before_anything_is_asked(folder: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OwnEvaluation(folder).settings(benchmark(**keys), limit=None)


def test_only_without_a_row_names_what_there_is(folder: Path) -> None:
    with pytest.raises(DataError, match="no row of task `mine` has kind = 'shape'") as caught:
        OwnEvaluation(folder).settings(benchmark(only={"kind": "shape"}), limit=None)
    assert caught.value.hint == "kind is 'colour', 'size'"


TABLE = '\n[[benchmarks]]\nname = "{}"\ntasks = ["mine"]\ndataset = "own"\nsplit = "test"\nmetric = "right"\n'


def test_a_judge_is_for_tasks_of_lmms_eval(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + TABLE.format("A") + 'judge = "always"\n')
    with pytest.raises(ConfigError, match="benchmark `A`: `judge` is for tasks of lmms-eval"):
        find_suite("mine.toml", tmp_path)


def test_two_benchmarks_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + TABLE.format("A") + TABLE.format("A"))
    with pytest.raises(ConfigError, match="two benchmarks are called `A`"):
        find_suite("mine.toml", tmp_path)


def test_tasks_that_several_benchmarks_ask(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + TABLE.format("A") + TABLE.format("B"))
    assert find_suite("mine.toml", tmp_path).suite.shared_tasks == {"mine"}
    assert find_suite("14bench", tmp_path).suite.shared_tasks == frozenset()
