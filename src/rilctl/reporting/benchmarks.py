"""A student's scores on the benchmarks of a suite: as numbers, beside a reference, and as a paper's row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    """

    name: str
    score: float | None
    low: float | None = None
    high: float | None = None
    num_questions: int = 0
    num_rejected: int = 0
    guessed_share: float = 0.0


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
    """

    name: str
    scores: Mapping[str, float]
    mean: float | None
    notes: tuple[str, ...] = ()


def to_metrics(scores: SuiteScores) -> dict[str, float]:
    """As an artifact stores them."""
    metrics: dict[str, float] = {}
    for each in scores.scores:
        metrics[f"{each.name}/num_questions"] = float(each.num_questions)
        metrics[f"{each.name}/num_rejected"] = float(each.num_rejected)
        if each.score is None:
            continue
        metrics |= {f"{each.name}/score": each.score, f"{each.name}/guessed_share": each.guessed_share}
        if each.low is not None and each.high is not None:
            metrics |= {f"{each.name}/score_low": each.low, f"{each.name}/score_high": each.high}
    if scores.is_whole and scores.mean is not None:
        metrics["score"] = scores.mean
    return metrics


def from_metrics(metrics: Mapping[str, float], names: Iterable[str], *, is_part: bool = False) -> SuiteScores:
    """Back from `to_metrics`."""
    return SuiteScores(tuple(_from_metrics(metrics, name) for name in names), is_part)


def _from_metrics(metrics: Mapping[str, float], name: str) -> BenchmarkScore:
    return BenchmarkScore(
        name,
        score=metrics.get(f"{name}/score"),
        low=metrics.get(f"{name}/score_low"),
        high=metrics.get(f"{name}/score_high"),
        num_questions=int(metrics.get(f"{name}/num_questions", 0)),
        num_rejected=int(metrics.get(f"{name}/num_rejected", 0)),
        guessed_share=metrics.get(f"{name}/guessed_share", 0.0),
    )


def table(scores: SuiteScores, reference: ReferenceScores | None, confidence: float) -> str:
    """One line for each benchmark, and the mean; a reference's mean stands only beside a whole one."""
    header = ["benchmark", "score", f"{confidence:.0%} interval", "questions", "rejected", "guessed"]
    lines = [header + ([reference.name, "difference"] if reference is not None else [])]
    for each in scores.scores:
        lines.append(
            _cells(each) + _beside(each.score, reference.scores.get(each.name) if reference else None, reference)
        )
    total = BenchmarkScore(scores.mean_name, scores.mean)
    of_reference = reference.mean if reference is not None and scores.is_whole else None
    lines.append([*_cells(total)[:2], "", "", "", "", *_beside(total.score, of_reference, reference)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(each: BenchmarkScore) -> list[str]:
    return [
        each.name,
        _shown(each.score),
        f"{each.low:.1f} to {each.high:.1f}" if each.low is not None and each.high is not None else "-",
        f"{each.num_questions:,}",
        f"{each.num_rejected:,}" if each.num_rejected else "-",
        f"{each.guessed_share:.1%}" if each.guessed_share else "-",
    ]


def _beside(score: float | None, other: float | None, reference: ReferenceScores | None) -> list[str]:
    if reference is None:
        return []
    difference = f"{score - other:+.1f}" if score is not None and other is not None else "-"
    return [_shown(other), difference]


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f}"


def markdown_row(name: str, scores: SuiteScores, settings: Sequence[str]) -> str:
    """The benchmarks as columns, as papers print them, with what changes the scores under it."""
    mean = BenchmarkScore(scores.mean_name, scores.mean)
    columns = [*scores.scores, mean]
    lines = [
        ["student", *(each.name for each in columns)],
        ["---", *("---:" for _ in columns)],
        [name, *(_shown(each.score) for each in columns)],
        [
            "interval",
            *(f"{e.low:.1f} to {e.high:.1f}" if e.low is not None and e.high is not None else "" for e in columns),
        ],
    ]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return rows + "\n" + "".join(f"- {line}\n" for line in settings)
