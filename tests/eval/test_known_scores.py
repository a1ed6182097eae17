"""Every benchmark's own prompt, parser, judging and aggregation, with answerers whose scores are known."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lmms_eval import utils
from lmms_eval.tasks import TaskManager
from pyarrow import parquet

from rilctl.config.suite import Benchmark, find_suite
from rilctl.engines.evaluation.availability import missing_data
from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.engines.evaluation.lmms.judging import API_TYPE
from rilctl.engines.evaluation.lmms.loading import defining
from rilctl.engines.evaluation.lmms.quiet import quiet
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.errors import RowError
from rilctl.private.lmms_eval import task_folder
from rilctl.testing.scripted import ScriptedGeneration

from .judge_server import judge_reply, watched

SUITE = find_suite("14bench", Path()).suite
BENCHMARKS = {benchmark.name: benchmark for benchmark in SUITE.benchmarks}
NUM_QUESTIONS = {
    "AI2D": 5, "ChartQA": 5, "MathVista": 15, "MMBench": 4, "MMBench-CN": 4, "MM-Vet": 4, "MM-Vet-v2": 3, "MMMU": 15,
    "MMMU-Pro": 20, "MMStar": 4, "BLINK": 29, "SEED-Bench": 3, "SEED-Bench-2-Plus": 4, "RealWorldQA": 4,
}  # fmt: skip
GIBBERISH = "qzx vvk"
Mirror = tuple[Path, dict[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def evaluation(mirror: Mirror) -> LmmsEvaluation:
    return LmmsEvaluation(None, data_dir=mirror[0], judge=judge())


def judge() -> BenchmarkJudge:
    return watched(ScriptedGeneration(lambda request, seed: judge_reply(request.question)))


def evaluate(
    evaluation: LmmsEvaluation, benchmark: Benchmark, says: Callable[[GenerationRequest], str]
) -> BenchmarkResult:
    generation = ScriptedGeneration(lambda request, seed: says(request))
    return evaluation.evaluate(benchmark, generation, limit=None, seed=0)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_who_answers_from_the_key_gets_everything(evaluation: LmmsEvaluation, mirror: Mirror, name: str) -> None:
    result = evaluate(evaluation, BENCHMARKS[name], lambda request: mirror[1][request.sample_id][0])
    assert (result.score, result.rejected) == (1.0, ())
    assert [record.score for record in result.records] == [1.0] * NUM_QUESTIONS[name]
    assert not any(record.guessed for record in result.records)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_who_answers_wrong_gets_nothing(evaluation: LmmsEvaluation, mirror: Mirror, name: str) -> None:
    result = evaluate(evaluation, BENCHMARKS[name], lambda request: mirror[1][request.sample_id][1])
    assert (result.score, result.rejected) == (0.0, ())
    assert [record.score for record in result.records] == [0.0] * NUM_QUESTIONS[name]
    assert not any(record.guessed for record in result.records)


@pytest.mark.parametrize(
    ("name", "num_guessed", "num_right"),
    [("MMMU", 12, 3), ("MMMU-Pro", 16, 2), ("MMBench", 4, 0), ("MMBench-CN", 4, 0), ("AI2D", 0, 0)],
)
def test_what_is_guessed_is_told_and_the_same_at_every_run(
    evaluation: LmmsEvaluation, name: str, num_guessed: int, num_right: int
) -> None:
    first, second = (evaluate(evaluation, BENCHMARKS[name], lambda request: GIBBERISH) for _ in range(2))
    assert first == second
    assert sum(record.guessed for record in first.records) == num_guessed
    assert first.score == pytest.approx(num_right / NUM_QUESTIONS[name], abs=1e-5)


def test_a_score_that_is_no_mean_of_its_questions_is_lmms_evals_and_is_resampled(
    evaluation: LmmsEvaluation, mirror: Mirror
) -> None:
    def right_but_for_the_lonely_category(request: GenerationRequest) -> str:
        return mirror[1][request.sample_id][request.sample_id == "mmstar/3"]

    result = evaluate(evaluation, BENCHMARKS["MMStar"], right_but_for_the_lonely_category)
    assert [record.score for record in result.records] == [1.0, 1.0, 1.0, 0.0]
    assert result.score == 0.5  # two categories of the second level
    assert len(result.resampled) == 500 and {0.0, 0.5, 1.0} >= set(result.resampled)


def test_a_question_of_mmbench_is_right_if_all_its_rotations_are(evaluation: LmmsEvaluation, mirror: Mirror) -> None:
    def wrong_once(request: GenerationRequest) -> str:
        return mirror[1][request.sample_id][request.sample_id == "mmbench_en_dev/2"]

    result = evaluate(evaluation, BENCHMARKS["MMBench"], wrong_once)
    assert (result.score, [record.score for record in result.records]) == (0.75, [0.0, 1.0, 1.0, 1.0])


def test_a_question_without_an_answer_leaves_the_score(evaluation: LmmsEvaluation, mirror: Mirror) -> None:
    for name, lost in (("MMBench", "mmbench_en_dev/2"), ("MMMU", "mmmu_val/1"), ("AI2D", "ai2d/4")):

        def fails_once(request: GenerationRequest, lost: str = lost) -> str:
            if request.sample_id == lost:
                raise RowError("image-truncated", "scripted")
            return mirror[1][request.sample_id][0]

        result = evaluate(evaluation, BENCHMARKS[name], fails_once)
        assert result.score == 1.0
        assert len(result.records) == NUM_QUESTIONS[name] - 1
        assert {row.reason for row in result.rejected} == {"image-truncated"}
        assert len(result.rejected) == (4 if name == "MMBench" else 1)  # a question of four rotations


def test_the_suite_says_what_the_tasks_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TYPE", API_TYPE)  # some tasks choose their judge when their file is read
    for benchmark in SUITE.benchmarks:
        folders = [str(path.parent) for path in defining(benchmark.tasks, task_folder())]
        manager = TaskManager("ERROR", include_path=sorted(set(folders)), include_defaults=False)
        for task, need in zip(
            benchmark.tasks, benchmark.data() * (len(benchmark.tasks) // len(benchmark.data())), strict=True
        ):
            with quiet():
                config = utils.load_yaml_config(manager.task_index[task]["yaml_path"], mode="full")
            read = config["dataset_path"], config.get("dataset_name"), config["test_split"]
            assert read == (need.repository, need.config, need.split)


def test_the_stand_ins_are_whole(mirror: Mirror) -> None:
    needs = [need for benchmark in SUITE.benchmarks for need in benchmark.data()]
    assert missing_data(needs, mirror[0]) == []


def test_settings_are_the_same_in_every_process_and_place(mirror: Mirror, tmp_path: Path) -> None:
    from .stand_ins import write

    write(tmp_path)
    for benchmark in (BENCHMARKS["AI2D"], BENCHMARKS["MMMU"], BENCHMARKS["MathVista"]):
        here, there = (
            LmmsEvaluation(None, data_dir=folder, judge=judge()).settings(benchmark, limit=3)
            for folder in (mirror[0], tmp_path)
        )
        assert {key: value for key, value in here.items() if not key.endswith(".data")} == {
            key: value for key, value in there.items() if not key.endswith(".data")
        }
        assert not any(" at 0x" in value for value in here.values())
    assert settings_of_ai2d(mirror[0]) == "16"


def test_a_mirror_with_other_rows_is_read_anew(mirror: Mirror, tmp_path: Path) -> None:
    from .stand_ins import write

    write(tmp_path)
    file = next((tmp_path / "lmms-lab-encoder" / "ai2d").rglob("test-*.parquet"))
    parquet.write_table(parquet.read_table(file).slice(2), file)
    known = [
        LmmsEvaluation(None, data_dir=folder, judge=None).settings(BENCHMARKS["AI2D"], limit=None)
        for folder in (mirror[0], tmp_path)
    ]
    assert [settings["ai2d.num_questions"] for settings in known] == ["5", "3"]
    assert known[0]["ai2d.questions"] != known[1]["ai2d.questions"]


def settings_of_ai2d(folder: Path) -> str:
    import json

    settings = LmmsEvaluation(None, data_dir=folder, judge=None).settings(BENCHMARKS["AI2D"], limit=3)
    assert settings["ai2d.num_questions"] == "3"
    return str(json.loads(settings["ai2d.sampling"])["max_new_tokens"])
