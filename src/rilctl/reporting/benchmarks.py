"""A student's scores on the benchmarks of a suite, and what they are compared with, as numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import get_args

from rilctl.config.fields import OtherPicture

OTHER_PICTURES: tuple[OtherPicture, ...] = get_args(OtherPicture)


@dataclass(frozen=True)
class Difference:
    """One evaluation minus another on the questions that both answered, in points of 0 to 100.

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
        pictures: the same questions beside other pictures, by what these are, where they were asked like that as well.
        gap: of such a score: the benchmark's own minus it.
        canaries: what its judge made of them, by name, where it was asked.
    """

    name: str
    score: float | None
    low: float | None = None
    high: float | None = None
    num_questions: int = 0
    num_rejected: int = 0
    guessed_share: float = 0.0
    parts: tuple["BenchmarkScore", ...] = ()
    pictures: tuple["BenchmarkScore", ...] = ()
    gap: Difference | None = None
    canaries: Mapping[str, float] = field(default_factory=dict)


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
        metrics |= {f"{each.name}/{key}": value for key, value in _to_metrics(each.parts + each.pictures).items()}
    if scores.is_whole and scores.mean is not None:
        metrics["score"] = scores.mean
    return metrics


def _to_metrics(scores: Iterable[BenchmarkScore]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for each in scores:
        metrics[f"{each.name}/num_questions"] = float(each.num_questions)
        metrics[f"{each.name}/num_rejected"] = float(each.num_rejected)
        metrics |= {f"{each.name}/canary/{key}": value for key, value in each.canaries.items()}
        if each.score is None:
            continue
        metrics |= {f"{each.name}/score": each.score, f"{each.name}/guessed_share": each.guessed_share}
        if each.low is not None and each.high is not None:
            metrics |= {f"{each.name}/score_low": each.low, f"{each.name}/score_high": each.high}
        if each.gap is not None:
            metrics |= _paired(f"{each.name}/gap", each.gap) | {
                f"{each.name}/num_in_both": float(each.gap.num_questions)
            }
    return metrics


def _paired(name: str, difference: Difference) -> dict[str, float]:
    found = {name: difference.estimate}
    if difference.low is not None and difference.high is not None:
        found |= {f"{name}_low": difference.low, f"{name}_high": difference.high}
    return found


def picture_figures(scores: SuiteScores) -> dict[str, float]:
    """What other pictures cost each benchmark, as `to_metrics` names it."""
    return {
        f"{each.name}/{key}": value
        for each in scores.scores
        for key, value in _to_metrics(each.pictures).items()
        if "/gap" in key or key.endswith("/score")
    }


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
    shown = [each for each in OTHER_PICTURES if f"{name}/{each}/num_questions" in metrics]
    pictures = tuple(_from_metrics(metrics, f"{name}/{each}", each) for each in shown)
    whole = replace(_from_metrics(metrics, name, name), pictures=pictures)
    if column is None:
        return whole
    begin, end = f"{name}/{column}=", "/num_questions"
    parts = [key.removesuffix(end) for key in metrics if key.startswith(begin) and key.endswith(end)]
    found = (_from_metrics(metrics, part, part.removeprefix(f"{name}/")) for part in parts)
    return replace(whole, parts=tuple(found))


def _from_metrics(metrics: Mapping[str, float], name: str, shown: str) -> BenchmarkScore:
    gap = metrics.get(f"{name}/gap")
    ends = metrics.get(f"{name}/gap_low"), metrics.get(f"{name}/gap_high")
    begin = f"{name}/canary/"
    return BenchmarkScore(
        shown,
        score=metrics.get(f"{name}/score"),
        low=metrics.get(f"{name}/score_low"),
        high=metrics.get(f"{name}/score_high"),
        num_questions=int(metrics.get(f"{name}/num_questions", 0)),
        num_rejected=int(metrics.get(f"{name}/num_rejected", 0)),
        guessed_share=metrics.get(f"{name}/guessed_share", 0.0),
        gap=None if gap is None else Difference(gap, *ends, int(metrics[f"{name}/num_in_both"])),
        canaries={key.removeprefix(begin): value for key, value in metrics.items() if key.startswith(begin)},
    )


def difference_figures(reference: ReferenceScores) -> dict[str, float]:
    """Paired differences by `BENCHMARK/difference`, with the ends of their intervals."""
    figures: dict[str, float] = {}
    for name, paired in reference.differences.items():
        figures |= _paired(f"{name}/difference", paired) | {f"{name}/num_in_both": float(paired.num_questions)}
    return figures
