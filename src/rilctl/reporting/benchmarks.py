"""A student's scores on the benchmarks of a suite, and what they are compared with, as numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean


@dataclass(frozen=True)
class BenchmarkScore:
    """One benchmark. Scores are from 0 to 100, whatever the benchmark itself counts in.

    Args:
        name: the benchmark.
        score: None where no question has one.
        low: lower end of the confidence interval, where there is one.
        high: its upper end.
        num_questions: questions that have a score.
        num_rejected: questions that have none.
        guessed_share: of the questions, those whose answer the benchmark's code drew at random.
        parts: its kinds of question, `COLUMN=VALUE`, where the suite breaks the score down.
    """

    name: str
    score: float | None
    low: float | None = None
    high: float | None = None
    num_questions: int = 0
    num_rejected: int = 0
    guessed_share: float = 0.0
    parts: tuple["BenchmarkScore", ...] = ()


@dataclass(frozen=True)
class SuiteScores:
    """A suite's scores.

    Args:
        scores: in the suite's order.
        is_part: some benchmarks or questions were left out on purpose, so the mean is nobody's.
    """

    scores: tuple[BenchmarkScore, ...]
    is_part: bool = False

    @property
    def mean(self) -> float | None:
        """Over the benchmarks that have a score."""
        scores = [each.score for each in self.scores if each.score is not None]
        return fmean(scores) if scores else None

    @property
    def is_whole(self) -> bool:
        """Whether every benchmark has a score over all of its questions that could be asked."""
        return not self.is_part and all(each.score is not None for each in self.scores)

    @property
    def mean_name(self) -> str:
        """`mean`, or what it is a mean of."""
        num = sum(each.score is not None for each in self.scores)
        return "mean" if self.is_whole else f"mean of {num}"


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs on the questions that both answered, in points of 0 to 100.

    Args:
        estimate: the mean of the questions' differences.
        low: lower end of its interval, where there is one.
        high: its upper end.
        num_questions: questions that both have a score for.
    """

    estimate: float
    low: float | None
    high: float | None
    num_questions: int


@dataclass(frozen=True)
class ReferenceScores:
    """What somebody else reached.

    Args:
        name: as the table calls it.
        scores: by benchmark; empty where only the mean is known.
        mean: over the whole suite, where it is known.
        notes: what a reader should know.
        differences: by benchmark, where its questions are known.
    """

    name: str
    scores: Mapping[str, float]
    mean: float | None
    notes: tuple[str, ...] = ()
    differences: Mapping[str, Difference] = field(default_factory=dict)


def to_metrics(scores: SuiteScores) -> dict[str, float]:
    """As an artifact stores them; those of a kind of question under `BENCHMARK/COLUMN=VALUE`."""
    metrics = _to_metrics(scores.scores)
    for each in scores.scores:
        metrics |= {f"{each.name}/{key}": value for key, value in _to_metrics(each.parts).items()}
    if scores.is_whole and scores.mean is not None:
        metrics["score"] = scores.mean
    return metrics


def _to_metrics(scores: Iterable[BenchmarkScore]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for each in scores:
        metrics[f"{each.name}/num_questions"] = float(each.num_questions)
        metrics[f"{each.name}/num_rejected"] = float(each.num_rejected)
        if each.score is None:
            continue
        metrics |= {f"{each.name}/score": each.score, f"{each.name}/guessed_share": each.guessed_share}
        if each.low is not None and each.high is not None:
            metrics |= {f"{each.name}/score_low": each.low, f"{each.name}/score_high": each.high}
    return metrics


def from_metrics(
    metrics: Mapping[str, float], columns: Mapping[str, str | None], *, is_part: bool = False
) -> SuiteScores:
    """Back from `to_metrics`.

    Args:
        metrics: of an artifact.
        columns: the benchmarks, each with the column that breaks it down, or None.
        is_part: see `SuiteScores`.
    """
    return SuiteScores(tuple(_whole(metrics, name, column) for name, column in columns.items()), is_part)


def _whole(metrics: Mapping[str, float], name: str, column: str | None) -> BenchmarkScore:
    whole = _from_metrics(metrics, name, name)
    if column is None:
        return whole
    begin, end = f"{name}/{column}=", "/num_questions"
    parts = [key.removesuffix(end) for key in metrics if key.startswith(begin) and key.endswith(end)]
    found = (_from_metrics(metrics, part, part.removeprefix(f"{name}/")) for part in parts)
    return replace(whole, parts=tuple(found))


def _from_metrics(metrics: Mapping[str, float], name: str, shown: str) -> BenchmarkScore:
    return BenchmarkScore(
        shown,
        score=metrics.get(f"{name}/score"),
        low=metrics.get(f"{name}/score_low"),
        high=metrics.get(f"{name}/score_high"),
        num_questions=int(metrics.get(f"{name}/num_questions", 0)),
        num_rejected=int(metrics.get(f"{name}/num_rejected", 0)),
        guessed_share=metrics.get(f"{name}/guessed_share", 0.0),
    )


def difference_figures(reference: ReferenceScores) -> dict[str, float]:
    """Paired differences by `BENCHMARK/difference`, with the ends of their intervals."""
    figures: dict[str, float] = {}
    for name, paired in reference.differences.items():
        figures |= {f"{name}/difference": paired.estimate, f"{name}/num_in_both": float(paired.num_questions)}
        if paired.low is not None and paired.high is not None:
            figures |= {f"{name}/difference_low": paired.low, f"{name}/difference_high": paired.high}
    return figures
