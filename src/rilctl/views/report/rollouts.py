"""A sample of a run's rollouts, chosen in one pass over all of them."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from rilctl.schemas.records import RolloutRecord, VerdictRecord, response_digest
from rilctl.schemas.report_rollouts import ReportGroup, ReportRow, RewardShare
from rilctl.views.report.tags import tags_of

NUM_STEPS = 6
"""Evenly spaced steps that are shown, besides the first, the last and the best one."""
MOST_GROUPS = 240
"""Groups of all runs together that are shown of these steps; each step of each run has its share."""
MOST_REMARKABLE = 12
"""Groups of each tag, of all runs together, wherever they are."""
MOST_CHARS = 4_000
"""Of a response; the rest is cut off."""
Verdict = Literal["right", "wrong", "missing"] | None
_SEPARATE_VALUES = 12
_NUM_BARS = 20


@dataclass
class Sample:
    """What one pass gives.

    Args:
        groups: that are shown.
        num_groups: that there are.
        num_rows: that there are.
        rewards: how many rows got which reward, by side.
    """

    groups: list[ReportGroup] = field(default_factory=list)
    num_groups: int = 0
    num_rows: int = 0
    rewards: Counter[tuple[str, float]] = field(default_factory=Counter)


def chosen_steps(first: int, last: int, best: int | None) -> dict[int, str]:
    """The steps that are shown, each with the reason."""
    spaced = {round(first + (last - first) * at / (NUM_STEPS + 1)): "evenly spaced" for at in range(1, NUM_STEPS + 1)}
    named = {first: "first step", last: "last step"} | ({max(first, best): "best step"} if best is not None else {})
    return spaced | named


def sample(run: str, groups: Iterable[Sequence[RolloutRecord]], steps: Mapping[int, str], num_runs: int) -> Sample:
    """Choose groups.

    Args:
        run: its name.
        groups: all, in order.
        steps: whose groups are shown, and why.
        num_runs: that share what may be shown.
    """
    of_step = max(1, MOST_GROUPS // (num_runs * max(1, len(steps))))
    of_tag = max(1, MOST_REMARKABLE // num_runs)
    found = Sample()
    taken: Counter[int] = Counter()
    remarkable: dict[str, list[tuple[float, int, ReportGroup]]] = {}
    for group in groups:
        found.num_groups += 1
        found.num_rows += len(group)
        found.rewards.update((row.side, round(row.reward, 3)) for row in group if row.reward is not None)
        step, tags = group[0].step, tags_of(group)
        if (why := steps.get(step)) is not None and taken[step] < of_step:
            taken[step] += 1
            found.groups.append(_shown(run, group, tags, why))
            continue
        for tag, weight in _strongest(group, tags).items():
            heap = remarkable.setdefault(tag, [])
            entry = (weight, found.num_groups)
            if len(heap) < of_tag or entry > heap[0][:2]:
                push = heapq.heappush if len(heap) < of_tag else heapq.heapreplace
                push(heap, (*entry, _shown(run, group, tags, tag)))
    there = {(group.step, group.sample_id) for group in found.groups}
    for heap in remarkable.values():
        for *_, shown in sorted(heap, key=lambda entry: entry[:2]):
            if (shown.step, shown.sample_id) not in there:
                there.add((shown.step, shown.sample_id))
                found.groups.append(shown)
    found.groups.sort(key=lambda group: group.step)
    return found


def histogram(run: str, rewards: Mapping[tuple[str, float], int]) -> list[RewardShare]:
    """Bars: one for each value where there are few, else equally wide ones."""
    values = sorted({value for _, value in rewards})
    if not values:
        return []
    width = 0.0 if len(values) <= _SEPARATE_VALUES else (values[-1] - values[0]) / _NUM_BARS
    bars: Counter[tuple[str, float]] = Counter()
    for (side, value), num in rewards.items():
        at = min(_NUM_BARS - 1, int((value - values[0]) / width)) if width else 0
        bars[side, values[0] + at * width if width else value] += num
    return [
        RewardShare(run=run, side="teacher" if side == "teacher" else "student", reward=low, width=width, num_rows=num)
        for (side, low), num in sorted(bars.items())
    ]


def groups_of(rows: Iterable[RolloutRecord]) -> Iterator[list[RolloutRecord]]:
    """The rows of each question of each step, which stand behind one another."""
    for _, group in groupby(rows, key=lambda row: (row.step, row.sample_id)):
        yield list(group)


def _strongest(group: Sequence[RolloutRecord], tags: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of each tag that a group has, how much its row is worth: what it earned beyond its group."""
    found: dict[str, float] = {}
    for row, names in zip(group, tags, strict=True):
        for name in names:
            found[name] = max(found.get(name, float("-inf")), abs(row.advantage))
    return found


def _shown(run: str, group: Sequence[RolloutRecord], tags: Sequence[Sequence[str]], why: str) -> ReportGroup:
    first = group[0]
    both = sorted(zip(group, tags, strict=True), key=lambda each: (each[0].side != "student", each[0].response_index))
    return ReportGroup(
        run=run,
        step=first.step,
        sample_id=first.sample_id,
        question=first.question,
        context=first.context or [],
        truth=first.answer,
        image_digests=first.image_digests,
        why=why,
        rows=[_row(row, names) for row, names in both],
    )


def _row(row: RolloutRecord, tags: Sequence[str]) -> ReportRow:
    text = row.text if len(row.text) <= MOST_CHARS else f"{row.text[:MOST_CHARS]}…"
    return ReportRow(
        source=row.source,
        side=row.side,
        response_index=row.response_index,
        text=text,
        num_tokens=len(row.token_ids),
        finish_reason=row.finish_reason,
        in_policy=row.in_policy,
        rewards=row.named_rewards,
        reward=row.reward,
        advantage=row.advantage,
        disc_logit=row.disc_logit,
        verdict=_verdict(row),
        judge=None,
        tags=list(tags),
    )


def _verdict(row: RolloutRecord) -> Verdict:
    if row.answer_reward is not None:
        return "right" if row.answer_reward >= 0.5 else "wrong"
    return "missing" if row.answer and row.reward is None else None


def with_words(groups: Sequence[ReportGroup], verdicts: Iterable[VerdictRecord]) -> list[ReportGroup]:
    """The groups with the judge's words, where these verdicts have them.

    Args:
        groups: that are shown.
        verdicts: prepaid ones; a judge that is asked while a run trains leaves no words behind.
    """
    wanted = {_digest(group, row) for group in groups for row in group.rows}
    words = {each.response_digest: _words(each) for each in verdicts if each.response_digest in wanted}
    return [
        group.model_copy(
            update={
                "rows": [row.model_copy(update={"judge": words.get(_digest(group, row))}) for row in group.rows],
            }
        )
        for group in groups
    ]


def _digest(group: ReportGroup, row: ReportRow) -> str:
    return response_digest(group.question, group.truth, row.text, group.context)


def _words(verdict: VerdictRecord) -> str:
    return verdict.reason if verdict.prediction is None else f"{verdict.reason} (read as {verdict.prediction!r})"
