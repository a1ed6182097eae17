"""The first part of docs/results.md: what it all comes to."""

from collections.abc import Iterator, Sequence

from experiments.page_place import p_value, points
from experiments.standing import Standing, is_clear
from experiments.worlds import BASELINE, Place, title_of

Found = Sequence[tuple[Place, Sequence[Standing]]]
"""Places, each with its arms that have been run."""
SHOWN = ("base", "sft-teachers", "answer-teachers", "ril")
"""Columns beside the baseline's."""


def in_short(found: Found) -> Iterator[str]:
    """RIL against the baseline in each place, and where each arm is ahead."""
    whole = [(place, {each.arm: each for each in arms if each.is_whole}) for place, arms in found]
    whole = [(place, arms) for place, arms in whole if place.baseline == BASELINE and BASELINE in arms]
    if not whole:
        return
    yield "## In short\n"
    yield f"| place | `{BASELINE}` | " + " | ".join(f"`{arm}`" for arm in SHOWN) + f" | `ril` minus `{BASELINE}` | p |"
    yield "| --- |" + " ---: |" * (1 + len(SHOWN)) + " --- | ---: |"
    for place, arms in whole:
        cells = (_accuracy(arms.get(arm)) for arm in (BASELINE, *SHOWN))
        ril = arms.get("ril")
        minus = "" if ril is None or ril.minus is None else points(ril.minus.interval)
        adjusted = p_value(None if ril is None else ril.adjusted)
        yield f"| {title_of(place)} | {' | '.join(cells)} | {minus} | {adjusted} |"
    yield f"\nAgainst `{BASELINE}`, in the places where an arm has all its seeds:\n"
    yield "| arm | ahead in | not told apart in | behind in |\n| --- | --- | --- | --- |"
    for arm in dict.fromkeys(arm for place, arms in whole for arm in place.arms if arm in arms and arm != BASELINE):
        there = [(place.name, arms[arm]) for place, arms in whole if arm in arms]
        ahead = [name for name, each in there if is_clear(each) and _estimate(each) > 0]
        behind = [name for name, each in there if is_clear(each) and _estimate(each) < 0]
        open_ = [name for name, each in there if not is_clear(each)]
        yield f"| `{arm}` | {' | '.join(', '.join(names) or '–' for names in (ahead, open_, behind))} |"
    yield ""


def _accuracy(found: Standing | None) -> str:
    return "" if found is None else f"{100 * found.mean.estimate:.1f}"


def _estimate(found: Standing) -> float:
    return found.minus.interval.estimate if found.minus is not None else 0.0
