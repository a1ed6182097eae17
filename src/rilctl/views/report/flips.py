"""Answers that became right or wrong: of evaluations, or where there are none of a run's own rollouts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import comb
from typing import Literal

from rilctl.schemas.records import ResponseRecord, RolloutRecord
from rilctl.schemas.report_result import Flip, Flips
from rilctl.views.report.evaluations import Evaluation, Pair
from rilctl.views.runs.answers import Answer, Key, evaluated, flips, majority

Basis = Literal["evaluation", "rollouts"]
MOST_FLIPS = 60
"""That are shown of two evaluations; half of them lost, where there are so many."""


def flips_between(pair: Pair) -> Flips:
    """Two evaluations of the same questions, one by one."""
    before, after = dict(evaluated(pair.before.run)), dict(_with_pictures(pair.after))
    return _counted(before, after, of=(pair.before.name, pair.after.name), run=pair.run.name, basis="evaluation")


def _counted(
    before: Mapping[Key, Answer], after: Mapping[Key, Answer], *, of: tuple[str, str], run: str, basis: Basis
) -> Flips:
    """Counted, tested, and some of them shown."""
    found = flips(before, after)
    lost = [flip for flip in found if flip.way == "lost"]
    gained = [flip for flip in found if flip.way == "gained"]
    room = MOST_FLIPS - min(len(gained), MOST_FLIPS // 2)
    shown = lost[:room]
    shown += gained[: MOST_FLIPS - len(shown)]
    return Flips(
        before=of[0],
        after=of[1],
        run=run,
        basis=basis,
        num_questions=len(before.keys() & after.keys()),
        num_gained=len(gained),
        num_lost=len(lost),
        p=sign_test(len(gained), len(lost)),
        shown=shown,
        sampling=_sampling(shown, found),
    )


def _sampling(shown: Sequence[Flip], found: Sequence[Flip]) -> str:
    of = "all of them" if len(shown) == len(found) else f"{len(shown)} of {len(found):,}"
    return f"{of}: lost ones first, then gained ones, each in the order in which they were asked"


def sign_test(num_gained: int, num_lost: int) -> float | None:
    """Two-sided p that flips are as likely one way as the other, exact; None where nothing flipped."""
    total = num_gained + num_lost
    if total == 0:
        return None
    tail: int = sum(comb(total, k) for k in range(min(num_gained, num_lost) + 1))
    return min(1.0, float(2 * tail / 2**total))


class Visits:
    """Questions that a run comes back to: what its student made of each the first and the last time."""

    def __init__(self) -> None:
        self._first: dict[Key, Answer] = {}
        self._last: dict[Key, Answer] = {}

    def watch(self, groups: Iterable[Sequence[RolloutRecord]]) -> Iterator[Sequence[RolloutRecord]]:
        """Hands the groups on, in order, and remembers what the student made of each question."""
        for group in groups:
            answer = majority(group)
            if answer is not None:
                key = ("", answer.sample_id)
                self._first.setdefault(key, answer)
                self._last[key] = answer
            yield group

    def flips(self, run: str) -> Flips | None:
        """Most rollouts right the first time and wrong the last time, or the reverse; None where none came twice."""
        twice = {key: first for key, first in self._first.items() if first.step != self._last[key].step}
        if not twice:
            return None
        of = ("training questions when they were first asked", "when they were last asked")
        return _counted(twice, self._last, of=of, run=run, basis="rollouts")


def _with_pictures(each: Evaluation) -> Iterator[tuple[Key, Answer]]:
    """The answers, with their pictures' digests where the responses are there as well."""
    rows = each.run.rows("responses", ResponseRecord) if "responses" in each.run.manifests else ()
    digests = {row.sample_id: tuple(row.image_digests) for row in rows}
    for key, answer in evaluated(each.run):
        yield key, replace(answer, image_digests=digests.get(key[1], ()))
