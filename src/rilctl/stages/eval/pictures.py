"""What a benchmark's questions lose beside another picture, or without one: whether the student looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import OtherPicture
from rilctl.config.suite import Benchmark, Suite
from rilctl.engines.evaluation.base import BenchmarkResult, EvaluationEngine
from rilctl.engines.evaluation.pictures import NO_OTHER, BesidePicture
from rilctl.engines.generation.base import GenerationEngine
from rilctl.reporting.benchmarks import SuiteScores
from rilctl.stages.eval.pairing import differences
from rilctl.stages.eval.scores import suite_scores


@dataclass(frozen=True)
class Looked:
    """A suite's results by what its questions were shown, benchmark by benchmark.

    Args:
        own: with their own pictures: the benchmark's.
        others: with others.
    """

    own: Sequence[BenchmarkResult]
    others: Mapping[OtherPicture, Sequence[BenchmarkResult]]

    @property
    def results(self) -> list[BenchmarkResult]:
        """All of them, the benchmark's own first."""
        return [*self.own, *(each for some in self.others.values() for each in some)]


def evaluate_beside(
    evaluation: EvaluationEngine,
    benchmark: Benchmark,
    generation: GenerationEngine,
    config: EvalConfig,
    picture: OtherPicture,
) -> BenchmarkResult:
    """A benchmark beside that picture; its rows say so. Questions that have no other picture are left out."""
    engine = BesidePicture(generation, picture, config.seed)
    found = evaluation.evaluate(benchmark, engine, limit=config.limit, seed=config.seed)
    rejected = [row for row in found.rejected if row.reason != NO_OTHER]
    return replace(
        found,
        records=tuple(row.model_copy(update={"picture": picture}) for row in found.records),
        responses=(),  # they are no answers to the questions that the artifact's rows hold
        rejected=tuple(row.model_copy(update={"source": f"{row.source}, picture {picture}"}) for row in rejected),
    )


def looked_scores(suite: Suite, looked: Looked, config: EvalConfig) -> SuiteScores:
    """The benchmarks' scores, each with its scores beside other pictures, and how far below its own they lie."""

    def scored(results: Sequence[BenchmarkResult]) -> SuiteScores:
        return suite_scores(suite.benchmarks, results, config.confidence, is_part=config.asks_a_part)

    own = scored(looked.own)
    found = {each.name: list(each.pictures) for each in own.scores}
    for picture, results in looked.others.items():
        other = scored(results)
        known = [{each.name: each.score for each in side.scores if each.score is not None} for side in (own, other)]
        rows = [[row for result in side for row in result.records] for side in (looked.own, results)]
        gaps = differences(suite, rows[0], rows[1], (known[0], known[1]), config.confidence)
        for each in other.scores:
            found[each.name].append(replace(each, name=picture, parts=(), gap=gaps.get(each.name)))
    return replace(own, scores=tuple(replace(each, pictures=tuple(found[each.name])) for each in own.scores))
