"""Which answers flipped between two runs, question by question."""

from collections.abc import Iterator
from itertools import groupby

from rilctl.algorithms.statistics import paired_difference
from rilctl.schemas.difference import AnswerDifference, Basis
from rilctl.schemas.records import VerdictRecord
from rilctl.views.runs.answers import Answer, Key, evaluated, flips, majority
from rilctl.views.runs.view import RunView


def compare_answers(a: RunView, b: RunView) -> list[AnswerDifference]:
    """The answers of both to the same questions, by benchmark; none where they have no answers of one kind."""
    if "evaluation" in a.manifests and "evaluation" in b.manifests:
        return _compare("evaluation", dict(evaluated(a)), dict(evaluated(b)))
    if "verdicts" in a.manifests and "verdicts" in b.manifests:
        return _compare("verdicts", dict(_judged(a)), dict(_judged(b)))
    return _compare("rollouts", *_in_common(a, b))


def _compare(basis: Basis, a: dict[Key, Answer], b: dict[Key, Answer]) -> list[AnswerDifference]:
    found = []
    for group in sorted({key[0] for key in a}):
        both = [key for key in a if key[0] == group and key in b]
        if not both:
            continue
        right_a, right_b = [a[key].is_right for key in both], [b[key].is_right for key in both]
        interval = paired_difference(right_b, right_a)
        flipped = flips({key: a[key] for key in both}, b)
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
                num_gained=sum(flip.way == "gained" for flip in flipped),
                num_lost=sum(flip.way == "lost" for flip in flipped),
                flips=sorted(flipped, key=lambda flip: flip.way == "gained"),
            )
        )
    return found


def _judged(run: RunView) -> Iterator[tuple[Key, Answer]]:
    for row in run.rows("verdicts", VerdictRecord):
        if row.correct is not None:
            key = ("", row.response_digest, row.source, f"{row.response_index}", f"{row.step}")
            yield key, Answer(row.sample_id, "", "", row.prediction or "", row.reason, row.correct)


def _in_common(a: RunView, b: RunView) -> tuple[dict[Key, Answer], dict[Key, Answer]]:
    """Of each question the last step in which both asked it."""
    visits_a, visits_b = dict(_visits(a)), dict(_visits(b))
    last: dict[str, int] = {}
    for sample_id, step in visits_a.keys() & visits_b.keys():
        last[sample_id] = max(step, last.get(sample_id, 0))
    keys = sorted(last.items())
    return {("", key[0]): visits_a[key] for key in keys}, {("", key[0]): visits_b[key] for key in keys}


def _visits(run: RunView) -> Iterator[tuple[tuple[str, int], Answer]]:
    """Each question in each step: right where most of the student's rollouts that have a verdict are."""
    for (step, sample_id), group in groupby(run.rollouts(), key=lambda row: (row.step, row.sample_id)):
        answer = majority([*group])
        if answer is not None:
            yield (sample_id, step), answer
