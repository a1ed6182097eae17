"""What an evaluation engine takes and gives, whatever runs inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rilctl.config.fields import SamplingConfig
from rilctl.config.suite import Benchmark
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord


@dataclass(frozen=True)
class BenchmarkResult:
    """One benchmark, answered and scored.

    Args:
        records: one for each question that has a score, in the benchmark's order.
        responses: what was answered, in the benchmark's order.
        rejected: questions that could not be asked or scored; they have no score.
        score: the benchmark's own score, 0 to 1, where it is no mean of the records'; None: their mean.
        resampled: such a score on resamples of the questions, for its interval.
        canaries: what the judge made of them, where one was asked; see `Check.metrics`.
    """

    records: tuple[EvaluationRecord, ...]
    responses: tuple[ResponseRecord, ...]
    rejected: tuple[RejectedRecord, ...]
    score: float | None = None
    resampled: tuple[float, ...] = ()
    canaries: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AskedQuestions:
    """Questions of one task, ready for an engine.

    Args:
        requests: in the task's order.
        sampling: how they are sampled.
    """

    requests: tuple[GenerationRequest, ...]
    sampling: SamplingConfig


class EvaluationEngine(Protocol):
    """Asks a benchmark's questions through a generation engine and scores the responses."""

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """Everything besides the model that changes the scores: digests of questions and scoring, prompt, sampling."""

    def questions(self, benchmark: Benchmark, *, limit: int | None, seed: int) -> list[AskedQuestions]:
        """What `evaluate` will ask, task by task."""

    def evaluate(
        self, benchmark: Benchmark, generation: GenerationEngine, *, limit: int | None, seed: int
    ) -> BenchmarkResult:
        """Ask and score.

        Args:
            benchmark: one of a suite.
            generation: answers; the caller may have put a cache in front of it.
            limit: at most this many questions of each task, the first ones; None asks all.
            seed: for benchmarks that sample, and for those that guess where an answer can't be read.
        """
