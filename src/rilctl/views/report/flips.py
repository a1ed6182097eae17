"""Answers that became right or wrong: of evaluations, or where there are none of a run's own rollouts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

from rilctl.schemas.records import EvaluationRecord, ResponseRecord, RolloutRecord
from rilctl.schemas.report_result import Flip, FlippedAnswer, Flips
from rilctl.views.report.evaluations import Evaluation, Pair

Basis = Literal["evaluation", "rollouts"]
MOST_FLIPS = 60
"""That are shown of two evaluations; half of them lost, where there are so many."""
RIGHT = 0.5
"""A score of so much counts as right."""


def flips_between(pair: Pair) -> Flips:
    """Two evaluations of the same questions, one by one."""
    before, after = (_answers(each) for each in (pair.before, pair.after))
    digests = _pictures(pair.after)
    both = [key for key in before if key in after]
    flips = [
        _flip(before[key], after[key], digests.get(key[1], []))
        for key in both
        if (before[key].score >= RIGHT) != (after[key].score >= RIGHT)
    ]
    return flips_of(
        flips, before=pair.before.name, after=pair.after.name, run=pair.run.name, basis="evaluation", num=len(both)
    )


def flips_of(flips: Sequence[Flip], *, before: str, after: str, run: str, basis: Basis, num: int) -> Flips:
    """Counted, tested, and some of them shown."""
    lost = [flip for flip in flips if flip.way == "lost"]
    gained = [flip for flip in flips if flip.way == "gained"]
    room = MOST_FLIPS - min(len(gained), MOST_FLIPS // 2)
    shown = lost[:room]
    shown += gained[: MOST_FLIPS - len(shown)]
    is_all = len(shown) == len(flips)
    return Flips(
        before=before,
        after=after,
        run=run,
        basis=basis,
        num_questions=num,
        num_gained=len(gained),
        num_lost=len(lost),
        p=sign_test(len(gained), len(lost)),
        shown=shown,
        sampling=_sampling(len(shown), len(flips), is_all),
    )


def _sampling(num_shown: int, num_flips: int, is_all: bool) -> str:
    of = "all of them" if is_all else f"{num_shown} of {num_flips:,}"
    return f"{of}: lost ones first, then gained ones, each in the order in which they were asked"


def sign_test(num_gained: int, num_lost: int) -> float | None:
    """Two-sided p that flips are as likely one way as the other, exact; None where nothing flipped."""
    total = num_gained + num_lost
    if total == 0:
        return None
    tail: int = sum(comb(total, k) for k in range(min(num_gained, num_lost) + 1))
    return min(1.0, float(2 * tail / 2**total))


@dataclass
class _Visit:
    """A question in a step: what the student made of it."""

    step: int
    group: Sequence[RolloutRecord]

    @property
    def share(self) -> float:
        given = [row.answer_reward for row in self.group if row.answer_reward is not None]
        return sum(given) / len(given)


class Visits:
    """Questions that a run comes back to: its first and its last group of each."""

    def __init__(self) -> None:
        self._visits: dict[str, tuple[_Visit, _Visit]] = {}

    def watch(self, groups: Iterable[Sequence[RolloutRecord]]) -> Iterator[Sequence[RolloutRecord]]:
        """Hands the groups on, in order, and remembers what the student made of each question."""
        for group in groups:
            own = [row for row in group if row.side == "student" and row.answer_reward is not None]
            if own:
                visit, sample_id = _Visit(own[0].step, own), own[0].sample_id
                self._visits[sample_id] = (self._visits.get(sample_id, (visit, visit))[0], visit)
            yield group

    def flips(self, run: str) -> Flips | None:
        """Most rollouts right the first time and wrong the last time, or the reverse; None where none came twice."""
        twice = {sample_id: both for sample_id, both in self._visits.items() if both[0].step != both[1].step}
        if not twice:
            return None
        flips = [
            _flip_of_visits(sample_id, first, last)
            for sample_id, (first, last) in twice.items()
            if (first.share > RIGHT) != (last.share > RIGHT)
        ]
        return flips_of(
            flips,
            before="training questions when they were first asked",
            after="when they were last asked",
            run=run,
            basis="rollouts",
            num=len(twice),
        )


def _flip_of_visits(sample_id: str, first: _Visit, last: _Visit) -> Flip:
    row = first.group[0]
    return Flip(
        benchmark="",
        sample_id=sample_id,
        question=row.question,
        truth=row.answer,
        image_digests=row.image_digests,
        before=_typical(first),
        after=_typical(last),
        way="gained" if last.share > RIGHT else "lost",
    )


def _typical(visit: _Visit) -> FlippedAnswer:
    """One of the majority's answers."""
    is_right = visit.share > RIGHT
    row = next(row for row in visit.group if (row.answer_reward or 0.0) >= RIGHT or not is_right)
    if not is_right:
        row = next(row for row in visit.group if (row.answer_reward or 0.0) < RIGHT)
    num = sum((each.answer_reward or 0.0) >= RIGHT for each in visit.group)
    return FlippedAnswer(
        text=row.text,
        is_right=is_right,
        verdict=f"step {visit.step}: {num} of {len(visit.group)} judged right",
        step=visit.step,
    )


def _flip(before: EvaluationRecord, after: EvaluationRecord, digests: list[str]) -> Flip:
    return Flip(
        benchmark=after.benchmark,
        sample_id=after.sample_id,
        question=after.question,
        truth=after.answer,
        image_digests=digests,
        before=_answer(before),
        after=_answer(after),
        way="gained" if after.score >= RIGHT else "lost",
    )


def _answer(row: EvaluationRecord) -> FlippedAnswer:
    return FlippedAnswer(text=row.text, is_right=row.score >= RIGHT, verdict=f"score {row.score:g}")


def _answers(each: Evaluation) -> Mapping[tuple[str, str], EvaluationRecord]:
    rows = each.run.rows("evaluation", EvaluationRecord)
    return {(row.benchmark, row.sample_id): row for row in rows if row.picture is None}


def _pictures(each: Evaluation) -> dict[str, list[str]]:
    if "responses" not in each.run.manifests:
        return {}
    return {row.sample_id: row.image_digests for row in each.run.rows("responses", ResponseRecord)}
