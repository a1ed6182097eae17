"""From scored questions to the benchmarks' scores with their intervals, all of them from 0 to 100."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from rilctl.algorithms.statistics import mean_interval, wilson_interval
from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.reporting.benchmarks import BenchmarkScore, SuiteScores
from rilctl.schemas.records import EvaluationRecord


def suite_scores(
    benchmarks: Sequence[Benchmark], results: Sequence[BenchmarkResult], confidence: float, *, is_part: bool
) -> SuiteScores:
    """All benchmarks' scores, in the suite's order."""
    pairs = zip(benchmarks, results, strict=True)
    return SuiteScores(tuple(benchmark_score(*pair, confidence) for pair in pairs), is_part)


def benchmark_score(benchmark: Benchmark, result: BenchmarkResult, confidence: float) -> BenchmarkScore:
    """One benchmark's score: its own, or else the mean of its questions'; each kind of question's is a mean."""
    kinds = sorted({record.part for record in result.records if record.part is not None})
    parts = (_part(benchmark, kind, result, confidence) for kind in kinds)
    return replace(_score(benchmark, result, confidence), parts=tuple(parts), canaries=result.canaries)


def _part(benchmark: Benchmark, kind: str, result: BenchmarkResult, confidence: float) -> BenchmarkScore:
    records = tuple(record for record in result.records if record.part == kind)
    return replace(_score(benchmark, BenchmarkResult(records, (), ()), confidence), name=f"{benchmark.by}={kind}")


def _score(benchmark: Benchmark, result: BenchmarkResult, confidence: float) -> BenchmarkScore:
    values = [record.score for record in result.records]
    if not values:
        return BenchmarkScore(benchmark.name, None, num_rejected=len(result.rejected))
    score = fmean(values) if result.score is None else result.score
    low, high = _bounds(benchmark, result, confidence) or (None, None)
    return BenchmarkScore(
        benchmark.name,
        score=100 * score,
        low=None if low is None else 100 * low,
        high=None if high is None else 100 * high,
        num_questions=len(values),
        num_rejected=len(result.rejected),
        guessed_share=sum(record.guessed for record in result.records) / len(values),
    )


def _bounds(benchmark: Benchmark, result: BenchmarkResult, confidence: float) -> tuple[float, float] | None:
    """The interval that fits, or None.

    Wilson's where questions are right or wrong, Student's where they are graded, percentiles of resamples where the
    score is no mean.
    """
    if result.resampled:
        ordered = sorted(result.resampled)
        cut = round((1 - confidence) / 2 * (len(ordered) - 1))
        return ordered[cut], ordered[-1 - cut]
    values = independent(benchmark, result.records)
    if set(values) <= {0.0, 1.0}:
        interval = wilson_interval(values.count(1.0), len(values), confidence)
        return interval.low, interval.high
    if len(values) < 2:
        return None
    interval = mean_interval(values, confidence)
    return max(0.0, interval.low), min(1.0, interval.high)


def independent(benchmark: Benchmark, records: Iterable[EvaluationRecord]) -> list[float]:
    """Scores of questions; several prompts for the same question are one observation."""
    if not benchmark.asks_the_same_rows:
        return [record.score for record in records]
    by_question: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        by_question[record.sample_id.rpartition("/")[2]].append(record.score)
    return [fmean(scores) for scores in by_question.values()]
