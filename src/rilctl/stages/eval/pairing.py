"""Two evaluations question by question: a paired difference is known far better than two scores of their own."""

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean

from rilctl.algorithms.statistics import Interval, mean_interval, paired_difference
from rilctl.config.suite import Suite
from rilctl.engines.evaluation.asked import label
from rilctl.reporting.benchmarks import Difference
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.eval.scores import independent

_ROUNDING = 0.01
"""Points of 0 to 100: lmms-eval rounds some means."""

_Key = tuple[str, str, int]


def differences(
    suite: Suite,
    ours: Iterable[EvaluationRecord],
    theirs: Iterable[EvaluationRecord],
    scores: tuple[Mapping[str, float], Mapping[str, float]],
    confidence: float,
) -> dict[str, Difference]:
    """Ours minus theirs for each benchmark that has questions in both.

    A question counts if both have a score for it, and it reads the same and has the same truth.

    Args:
        suite: what was evaluated.
        ours: one evaluation's rows.
        theirs: the other's.
        scores: both evaluations' scores by benchmark, 0 to 100: one that is no mean of its questions, as MMStar's, has
            no paired difference.
        confidence: of the intervals.
    """
    mine, other = _by_key(ours), _by_key(theirs)
    found: dict[str, Difference] = {}
    for benchmark in suite.benchmarks:
        labels = {name for task in benchmark.tasks for name in (task, label(benchmark.name, task, {task}))}
        sides = [{key: row for key, row in side.items() if key[0] in labels} for side in (mine, other)]
        if not all(_is_mean(side, known.get(benchmark.name)) for side, known in zip(sides, scores, strict=True)):
            continue
        both = [key for key, row in sides[0].items() if key in sides[1] and _is_same(row, sides[1][key])]
        if both:
            a, b = (independent(benchmark, [side[key] for key in both]) for side in sides)
            found[benchmark.name] = _difference(a, b, len(both), confidence)
    return found


def _by_key(rows: Iterable[EvaluationRecord]) -> dict[_Key, EvaluationRecord]:
    """By task and id; ids that occur again are told apart by their order."""
    met: Counter[tuple[str, str]] = Counter()
    found: dict[_Key, EvaluationRecord] = {}
    for row in rows:
        name = row.benchmark, row.sample_id
        found[*name, met[name]] = row
        met[name] += 1
    return found


def _is_same(a: EvaluationRecord, b: EvaluationRecord) -> bool:
    return (a.question, a.answer) == (b.question, b.answer)


def _is_mean(rows: Mapping[_Key, EvaluationRecord], score: float | None) -> bool:
    return bool(rows) and score is not None and abs(100 * fmean(row.score for row in rows.values()) - score) < _ROUNDING


def _difference(a: list[float], b: list[float], num_questions: int, confidence: float) -> Difference:
    """Agresti and Min's interval where questions are right or wrong, Student's of the differences otherwise."""
    interval: Interval | None
    if {*a, *b} <= {0.0, 1.0}:
        interval = paired_difference([x == 1 for x in a], [x == 1 for x in b], confidence)
    else:
        each = [x - y for x, y in zip(a, b, strict=True)]
        interval = mean_interval(each, confidence) if len(each) > 1 else None
    estimate = 100 * (fmean(a) - fmean(b))
    if interval is None:
        return Difference(estimate, None, None, num_questions)
    return Difference(estimate, 100 * max(-1.0, interval.low), 100 * min(1.0, interval.high), num_questions)
