from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from rilctl.config.fields import SamplingConfig
from rilctl.config.suite import find_suite
from rilctl.engines.evaluation.own import OwnEvaluation
from rilctl.engines.evaluation.own_tasks import load_task
from rilctl.engines.evaluation.pocket_task import digits_files
from rilctl.errors import ConfigError, DataError
from rilctl.quickstart.world import make_rows
from rilctl.testing.scripted import ScriptedGeneration

DIGITS = find_suite("digits", Path()).suite.benchmarks[0]
FUNCTIONS = "def visual(doc):\n    return []\n\n\ndef results(doc, results):\n    return {'hit': len(results[0])}\n"
TASK = {
    "task": "mine",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "mine.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_visual": "visual",
    "doc_to_text": "question",
    "doc_to_target": "answer",
    "process_results": "results",
    "metric_list": [{"metric": "hit", "aggregation": "mean"}],
}


def write_task(folder: Path, **changes: Any) -> Path:
    """A small task whose functions stand in `utils.py`; None removes a key."""
    config = {key: value for key, value in {**TASK, **changes}.items() if value is not None}
    text = yaml.safe_dump(config)
    for key in ("doc_to_visual", "process_results"):
        text = text.replace(f"{key}: {TASK[key]}\n", f"{key}: !function utils.{TASK[key]}\n")
    (folder / "mine.yaml").write_text(text)
    (folder / "utils.py").write_text(FUNCTIONS)
    (folder / "mine.jsonl").write_text('{"question": "q", "answer": "a"}\n')
    return folder


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    for name, content in digits_files().items():
        (folder / name).write_bytes(content)
    return folder


def test_digits_asks_what_the_world_made(digits_folder: Path) -> None:
    engine = ScriptedGeneration(lambda request, seed: "answer 7")
    result = OwnEvaluation(digits_folder).evaluate(DIGITS, engine, limit=20, seed=0)
    rows = list(make_rows("test", 0, 20))
    assert [(r.sample_id, r.question, r.answer) for r in result.records] == [(r.id, r.question, r.answer) for r in rows]
    assert [r.score for r in result.records] == [float(row.answer == "7") for row in rows]
    pictures = [request.images[0].load().tobytes() for request in engine.asked]
    assert pictures == [row.image.tobytes() for row in rows]


def test_the_suite_and_the_task_file_name_the_same_budget(digits_folder: Path) -> None:
    assert load_task("digits", digits_folder, "accuracy").sampling.max_new_tokens == DIGITS.max_new_tokens


def test_settings_change_with_the_questions_and_with_nothing_else(digits_folder: Path) -> None:
    ten = OwnEvaluation(digits_folder).settings(DIGITS, limit=10)
    assert ten == OwnEvaluation(digits_folder).settings(DIGITS, limit=10)
    assert ten["digits.questions"] != OwnEvaluation(digits_folder).settings(DIGITS, limit=11)["digits.questions"]


def test_generation_settings_are_read(tmp_path: Path) -> None:
    greedy = {"max_new_tokens": 8, "temperature": 0.7, "do_sample": False, "top_p": 0.9, "until": ["\n", "stop"]}
    task = load_task("mine", write_task(tmp_path, generation_kwargs=greedy), "hit")
    assert task.sampling == SamplingConfig(max_new_tokens=8, temperature=0.0)
    assert task.cut("one stop two\nthree") == "one "
    sampled = load_task("mine", write_task(tmp_path, generation_kwargs={"temperature": 0.7, "top_p": 0.9}), "hit", 5)
    assert sampled.sampling == SamplingConfig(max_new_tokens=5, temperature=0.7, top_p=0.9)


def test_a_task_lies_in_the_folder_or_in_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write_task(tmp_path / "mine")
    assert load_task("mine", tmp_path, "hit").folder == tmp_path / "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_split": None}, "lacks `test_split`"),
        ({"output_type": "loglikelihood"}, "loglikelihood"),
        ({"filter_list": []}, "filter_list"),
        ({"generation_kwargs": {"num_beams": 4}}, "beam search"),
        ({"generation_kwargs": {"repetition_penalty": 2}}, "repetition_penalty"),
        ({"metric_list": [{"metric": "hit", "aggregation": "median"}]}, "metric_list"),
        ({"metric_list": []}, "has no metric `hit`"),
        ({"metric_list": [{"metric": "hits", "aggregation": "mean"}]}, "did you mean `hits`"),
    ],
)
def test_what_our_runner_does_not_know_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_task("mine", write_task(tmp_path, **changes), "hit")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "no YAML"),
        ("- a", "mapping"),
        ("a: !function utils.missing", "no function"),
        ("a: !function gone.f", "no file"),
        ("a: !!python/object/apply:os.system ['true']", "no YAML"),
    ],
)
def test_a_broken_task_file_is_a_config_error(tmp_path: Path, content: str, message: str) -> None:
    write_task(tmp_path)
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_task("mine", tmp_path, "hit")


def test_a_missing_task_is_a_config_error_and_missing_data_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no task file"):
        load_task("mine", tmp_path, "hit")
    write_task(tmp_path)
    (tmp_path / "mine.jsonl").unlink()
    benchmark = DIGITS.model_copy(update={"tasks": ("mine",), "metric": "hit"})
    with pytest.raises(DataError, match="mine"):
        OwnEvaluation(tmp_path).settings(benchmark, limit=None)


def test_a_document_that_a_task_cannot_handle_is_rejected(tmp_path: Path) -> None:
    write_task(tmp_path)
    (tmp_path / "mine.jsonl").write_text('{"question": "q", "answer": "a"}\n{"question": "r", "answer": "b"}\n')
    (tmp_path / "utils.py").write_text(
        FUNCTIONS.replace("return []", "return [] if doc['answer'] == 'a' else doc['x']")
    )
    benchmark = DIGITS.model_copy(update={"tasks": ("mine",), "metric": "hit"})
    result = OwnEvaluation(tmp_path).evaluate(benchmark, ScriptedGeneration({"q": " x "}), limit=None, seed=0)
    assert [(r.text, r.score) for r in result.records] == [(" x ", 1.0)]
    assert [(r.sample_id, r.reason) for r in result.rejected] == [("1", "task-function")]
