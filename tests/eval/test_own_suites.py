"""Suites of one's own, and lmms-eval's silent failures, which are errors here."""

from pathlib import Path

import pytest
from datasets import Dataset

from rilctl.config.suite import Benchmark, find_suite
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.errors import ConfigError, DataError, RilctlError
from rilctl.testing.scripted import ScriptedGeneration

from .stand_ins.base import picture

SUITE = """
name = "mine"
extra = "eval"
tasks = "tasks"

[[benchmarks]]
name = "Discs"
tasks = ["discs"]
dataset = "drawn"
split = "test"
metric = "right"
"""
TASK = """
task: discs
dataset_path: parquet
dataset_kwargs: {data_files: {test: ROWS}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.pictures
doc_to_text: "How many discs? "
doc_to_target: answer
generation_kwargs: {max_new_tokens: 4, until: ["."]}
process_results: !function utils.score
metric_list:
- metric: right
  aggregation: mean
  higher_is_better: true
"""
UTILS = """
def pictures(doc):
    return [doc["image"].convert("RGB")]

def score(doc, results):
    return {"right": float(results[0] == doc["answer"])}
"""


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    (tmp_path / "tasks").mkdir()
    rows = [{"answer": str(number), "image": picture(number), "odd": number % 2} for number in range(4)]
    Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "mine.toml").write_text(SUITE)
    (tmp_path / "tasks" / "discs.yaml").write_text(TASK.replace("ROWS", str(tmp_path / "rows.parquet")))
    (tmp_path / "tasks" / "utils.py").write_text(UTILS)
    found = find_suite("mine.toml", tmp_path)
    assert found.tasks_folder == tmp_path / "tasks"
    return found.suite.benchmarks[0]


def evaluate(folder: Path, benchmark: Benchmark) -> float | None:
    evaluation = LmmsEvaluation(folder / "tasks", data_dir=None, judge=None)
    generation = ScriptedGeneration(lambda request, seed: "2. That is all")
    result = evaluation.evaluate(benchmark, generation, limit=None, seed=0)
    assert not result.rejected
    return result.score


def test_a_task_of_ones_own(tmp_path: Path, benchmark: Benchmark) -> None:
    assert evaluate(tmp_path, benchmark) == 0.25


def test_a_task_that_fails_where_lmms_eval_would_log_it_is_an_error(tmp_path: Path, benchmark: Benchmark) -> None:
    task = tmp_path / "tasks" / "discs.yaml"
    task.write_text(task.read_text().replace("aggregation: mean", "aggregation: !function utils.fails"))
    (tmp_path / "tasks" / "utils.py").write_text(f"{UTILS}\n\ndef fails(values):\n    return 1 / (len(values) - 4)\n")
    with pytest.raises(RilctlError, match="lmms-eval fails on task `discs`: ZeroDivisionError"):
        evaluate(tmp_path, benchmark)


def test_a_metric_that_the_task_lacks(tmp_path: Path, benchmark: Benchmark) -> None:
    with pytest.raises(ConfigError, match="task `discs` has no metric `wrong`"):
        evaluate(tmp_path, benchmark.model_copy(update={"metric": "wrong"}))


def test_a_task_that_nobody_has(tmp_path: Path, benchmark: Benchmark) -> None:
    with pytest.raises(ConfigError, match="lmms-eval has no task `disks`"):
        evaluate(tmp_path, benchmark.model_copy(update={"tasks": ("disks",)}))


def test_a_task_whose_data_is_not_there(tmp_path: Path, benchmark: Benchmark) -> None:
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(DataError, match="task `discs` can't be loaded"):
        evaluate(tmp_path, benchmark)


def test_a_task_that_our_engines_cannot_answer(tmp_path: Path, benchmark: Benchmark) -> None:
    task = tmp_path / "tasks" / "discs.yaml"
    task.write_text(task.read_text().replace("until: [", "num_beams: 4, until: ["))
    with pytest.raises(ConfigError, match="beam search is not supported here"):
        evaluate(tmp_path, benchmark)


def test_rows_are_chosen_and_scores_broken_down_by_a_column(tmp_path: Path, benchmark: Benchmark) -> None:
    evaluation = LmmsEvaluation(tmp_path / "tasks", data_dir=None, judge=None, shared_tasks={"discs"})
    generation = ScriptedGeneration(lambda request, seed: "2. That is all")
    all_rows = benchmark.model_copy(update={"by": "odd"})
    result = evaluation.evaluate(all_rows, generation, limit=None, seed=0)
    assert [(row.part, row.score) for row in result.records] == [("0", 0.0), ("1", 0.0), ("0", 1.0), ("1", 0.0)]
    assert {row.benchmark for row in result.records} == {"Discs/discs"}
    even = benchmark.model_copy(update={"name": "Even", "only": {"odd": 0}})
    assert evaluation.evaluate(even, generation, limit=None, seed=0).score == 0.5
    assert evaluation.settings(even, limit=None)["Even/discs.num_questions"] == "2"
    with pytest.raises(ConfigError, match="`by` needs column `kind`"):
        evaluation.settings(benchmark.model_copy(update={"name": "Kinds", "by": "kind"}), limit=None)


def test_a_split_or_revision_that_the_task_does_not_ask(tmp_path: Path, benchmark: Benchmark) -> None:
    with pytest.raises(ConfigError, match="`split = 'dev'`; task `discs` asks `test`"):
        evaluate(tmp_path, benchmark.model_copy(update={"split": "dev"}))
    with pytest.raises(ConfigError, match="`revision = 'v2'`; task `discs` is your own"):
        evaluate(tmp_path, benchmark.model_copy(update={"revision": "v2"}))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("utils.pictures", "os.path.basename", "of a file beside it, or of lmms-eval"),
        ("task: discs", "task: discs\ninclude: ../evil.yaml", "evil.yaml` is no regular file in"),
        ("{data_files", "{From_YouTube: true, data_files", "dataset_kwargs: `From_YouTube` is not supported"),
        ('"How many discs? "', '"{{ cycler.__init__.__globals__.os }}"', "a task's template can't be filled in"),
    ],
)
def test_a_task_that_reaches_beyond_its_folder(
    tmp_path: Path, benchmark: Benchmark, old: str, new: str, reason: str
) -> None:
    (tmp_path / "evil.yaml").write_text("metadata: 1\n")
    task = tmp_path / "tasks" / "discs.yaml"
    task.write_text(task.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=reason):
        evaluate(tmp_path, benchmark)


def test_a_task_is_known_by_its_functions_too(tmp_path: Path, benchmark: Benchmark) -> None:
    def settings() -> dict[str, str]:
        return LmmsEvaluation(tmp_path / "tasks", data_dir=None, judge=None).settings(benchmark, limit=None)

    before = settings()
    (tmp_path / "tasks" / "utils.py").write_text(UTILS.replace("results[0]", "results[-1]"))
    assert {name for name, value in settings().items() if before[name] != value} == {"discs.files"}
