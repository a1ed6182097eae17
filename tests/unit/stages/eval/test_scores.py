import pytest

from rilctl.algorithms.statistics import mean_interval, wilson_interval
from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.schemas.records import EvaluationRecord, RejectedRecord
from rilctl.stages.eval.scores import benchmark_score


def benchmark(*tasks: str) -> Benchmark:
    return Benchmark(name="B", tasks=tasks or ("t",), dataset="d", split="test", metric="m")


def records(*scores: float, task: str = "t", guessed: int = 0) -> tuple[EvaluationRecord, ...]:
    return tuple(
        EvaluationRecord(
            benchmark=task,
            sample_id=f"{task}/{i}",
            question="?",
            answer="",
            text="",
            score=score,
            guessed=i < guessed,
        )
        for i, score in enumerate(scores)
    )


def test_right_or_wrong_gets_wilsons_interval_and_the_share_that_was_guessed() -> None:
    rejected = RejectedRecord(sample_id="t/9", source="t", reason="judge-missing", message="none")
    score = benchmark_score(benchmark(), BenchmarkResult(records(1, 1, 0, 1, guessed=1), (), (rejected,)), 0.95)
    wilson = wilson_interval(3, 4)
    assert (score.score, score.num_questions, score.num_rejected, score.guessed_share) == (75.0, 4, 1, 0.25)
    assert (score.low, score.high) == (100 * wilson.low, 100 * wilson.high)


def test_grades_get_students_interval_within_the_scale() -> None:
    score = benchmark_score(benchmark(), BenchmarkResult(records(1, 0.9, 1, 0.2), (), ()), 0.95)
    assert score.low == pytest.approx(100 * mean_interval([1, 0.9, 1, 0.2]).low)
    assert score.high == 100.0


def test_a_score_that_is_no_mean_gets_percentiles_of_its_resamples() -> None:
    resampled = tuple(i / 100 for i in range(101))
    score = benchmark_score(benchmark(), BenchmarkResult(records(1, 0), (), (), 0.4, resampled), 0.9)
    assert (score.score, score.low, score.high) == (40.0, 5.0, 95.0)


def test_several_prompts_for_one_question_are_one_observation() -> None:
    three = tuple(row for task in "abc" for row in records(1, 0, 1, 0, task=task))
    score = benchmark_score(benchmark("a", "b", "c"), BenchmarkResult(three, (), ()), 0.95)
    wilson = wilson_interval(2, 4)
    assert (score.num_questions, score.low, score.high) == (12, 100 * wilson.low, 100 * wilson.high)


def test_nothing_scored_is_no_score() -> None:
    assert benchmark_score(benchmark(), BenchmarkResult((), (), ()), 0.95).score is None


def test_each_kind_of_question_has_a_score_and_an_interval_of_its_own() -> None:
    kinds = ("size", "colour", "size", "size")
    rows = tuple(row.model_copy(update={"part": kind}) for row, kind in zip(records(1, 0, 1, 0), kinds, strict=True))
    by_kind = benchmark().model_copy(update={"by": "kind"})
    colour, size = benchmark_score(by_kind, BenchmarkResult(rows, (), ()), 0.95).parts
    wilson = wilson_interval(2, 3)
    assert (colour.name, colour.score, colour.num_questions) == ("kind=colour", 0.0, 1)
    assert (size.name, size.score) == ("kind=size", pytest.approx(200 / 3))
    assert (size.low, size.high) == (100 * wilson.low, 100 * wilson.high)
