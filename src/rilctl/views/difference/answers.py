"""Which answers flipped between two runs, question by question."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from rilctl.algorithms.statistics import paired_difference
from rilctl.schemas.difference import AnswerDifference, Basis
from rilctl.schemas.records import EvaluationRecord, RolloutRecord, VerdictRecord
from rilctl.schemas.report_result import Flip, FlippedAnswer
from rilctl.views.runs.view import RunView

_RIGHT = 0.5
"""A score of so much counts as right."""


@dataclass(frozen=True)
class _Answer:
    sample_id: str
    question: str
    truth: str
    text: str
    verdict: str
    is_right: bool
    image_digests: tuple[str, ...] = ()


_Key = tuple[str, ...]
"""Benchmark first; what else tells the question from the others."""


def compare_answers(a: RunView, b: RunView) -> list[AnswerDifference]:
    """The answers of both to the same questions, by benchmark; none where they have no answers of one kind."""
    if "evaluation" in a.manifests and "evaluation" in b.manifests:
        return _compare("evaluation", dict(_evaluated(a)), dict(_evaluated(b)))
    if "verdicts" in a.manifests and "verdicts" in b.manifests:
        return _compare("verdicts", dict(_judged(a)), dict(_judged(b)))
    return _compare("rollouts", *_in_common(a, b))


def _compare(basis: Basis, a: dict[_Key, _Answer], b: dict[_Key, _Answer]) -> list[AnswerDifference]:
    found = []
    for group in sorted({key[0] for key in a}):
        both = [key for key in a if key[0] == group and key in b]
        if not both:
            continue
        right_a, right_b = [a[key].is_right for key in both], [b[key].is_right for key in both]
        interval = paired_difference(right_b, right_a)
        flips = [_flip(group, a[key], b[key]) for key in both if a[key].is_right != b[key].is_right]
        found.append(
            AnswerDifference(
                basis=basis,
                group=group,
                num_questions=len(both),
                accuracy_a=sum(right_a) / len(both),
                accuracy_b=sum(right_b) / len(both),
                difference=interval.estimate,
                low=interval.low,
                high=interval.high,
                num_gained=sum(flip.way == "gained" for flip in flips),
                num_lost=sum(flip.way == "lost" for flip in flips),
                flips=sorted(flips, key=lambda flip: flip.way == "gained"),
            )
        )
    return found


def _flip(group: str, a: _Answer, b: _Answer) -> Flip:
    before, after = (FlippedAnswer(text=each.text, is_right=each.is_right, verdict=each.verdict) for each in (a, b))
    return Flip(
        benchmark=group,
        sample_id=b.sample_id,
        question=b.question,
        truth=b.truth,
        image_digests=[*b.image_digests],
        before=before,
        after=after,
        way="gained" if b.is_right else "lost",
    )


def _evaluated(run: RunView) -> Iterator[tuple[_Key, _Answer]]:
    for row in run.rows("evaluation", EvaluationRecord):
        if row.picture is None:
            said = f"score {row.score:g}"
            answer = _Answer(row.sample_id, row.question, row.answer, row.text, said, row.score >= _RIGHT)
            yield (row.benchmark, row.sample_id), answer


def _judged(run: RunView) -> Iterator[tuple[_Key, _Answer]]:
    for row in run.rows("verdicts", VerdictRecord):
        if row.correct is not None:
            key = ("", row.response_digest, row.source, f"{row.response_index}", f"{row.step}")
            yield key, _Answer(row.sample_id, "", "", row.prediction or "", row.reason, row.correct)


def _in_common(a: RunView, b: RunView) -> tuple[dict[_Key, _Answer], dict[_Key, _Answer]]:
    """Of each question the last step in which both asked it."""
    visits_a, visits_b = dict(_visits(a)), dict(_visits(b))
    last: dict[str, int] = {}
    for sample_id, step in visits_a.keys() & visits_b.keys():
        last[sample_id] = max(step, last.get(sample_id, 0))
    keys = sorted(last.items())
    return {("", key[0]): visits_a[key] for key in keys}, {("", key[0]): visits_b[key] for key in keys}


def _visits(run: RunView) -> Iterator[tuple[tuple[str, int], _Answer]]:
    """Each question in each step: right where most of the student's rollouts that have a verdict are."""
    for (step, sample_id), group in groupby(run.rollouts(), key=lambda row: (row.step, row.sample_id)):
        own = [row for row in group if row.side == "student" and row.answer_reward is not None]
        if own:
            yield (sample_id, step), _majority(own)


def _majority(rows: list[RolloutRecord]) -> _Answer:
    right = [row for row in rows if (row.answer_reward or 0.0) >= _RIGHT]
    is_right = 2 * len(right) > len(rows)
    shown = right[0] if is_right else next(row for row in rows if (row.answer_reward or 0.0) < _RIGHT)
    said = f"step {shown.step}: {len(right)} of {len(rows)} judged right"
    return _Answer(
        shown.sample_id, shown.question, shown.answer, shown.text, said, is_right, tuple(shown.image_digests)
    )
