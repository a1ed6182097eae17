"""What an evaluation engine takes and gives, whatever runs inside."""

from dataclasses import dataclass
from typing import Protocol

from rilctl.engines.evaluation.suites import Benchmark
from rilctl.engines.generation.base import GenerationEngine
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord


@dataclass(frozen=True)
class BenchmarkResult:
    """One benchmark, answered and scored.

    Args:
        records: one for each question that was answered, in the benchmark's order.
        responses: what was answered, in the same order.
        rejected: questions that could not be asked; they have no score.
    """

    records: tuple[EvaluationRecord, ...]
    responses: tuple[ResponseRecord, ...]
    rejected: tuple[RejectedRecord, ...]


class EvaluationEngine(Protocol):
    """Asks a benchmark's questions through a generation engine and scores the responses."""

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """Everything besides the model that changes the scores: digests of questions and scoring, prompt, sampling."""

    def evaluate(
        self, benchmark: Benchmark, generation: GenerationEngine, *, limit: int | None, seed: int
    ) -> BenchmarkResult:
        """Ask and score.

        Args:
            benchmark: one of a suite.
            generation: answers; the caller may have put a cache in front of it.
            limit: at most this many questions, the first ones; None asks all.
            seed: for benchmarks that sample.
        """
