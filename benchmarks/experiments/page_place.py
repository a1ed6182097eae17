"""The part of docs/results.md on one place."""

from collections.abc import Iterator, Sequence

from experiments.results import Results
from experiments.standing import Standing, differences, is_clear
from experiments.worlds import PAIRS, Place, title_of
from rilctl.algorithms.statistics import Interval

DISCRIMINATOR = {
    "similarity": "similarity reward, last third",
    "similarity_sd": "its swing (sd between steps)",
    "balanced_accuracy": "held-out accuracy",
    "length_only_accuracy": "of length alone",
    "swap_auc": "swap AUC",
}
"""Metrics of a run, and what a column of the table is called."""
DECIDED = "method.md#what-the-ablations-decided"
"""What became of the options that were compared."""


def place_part(place: Place, results: Results, found: Sequence[Standing], picture: str) -> Iterator[str]:
    """Picture, table, and what it says in words.

    Args:
        place: which.
        results: of it.
        found: its arms, the best first.
        picture: where it is, as seen from the page.
    """
    first, title = next(iter(found[0].runs.values())), title_of(place)
    yield f"## {title[0].upper()}{title[1:]}\n"
    yield f"![accuracy of each arm]({picture})\n"
    yield f"Accuracy in percent on {first.num_questions:,} test questions; small points are seeds.\n"
    yield f"| arm | accuracy | minus `{place.baseline}` | p | seeds | rate | tokens | CPU s |"
    yield "| --- | --- | --- | ---: | --- | ---: | ---: | ---: |"
    yield from map(_row, found)
    yield f"\n{_verdict(found, place.baseline)}\n"
    if place.removed:
        yield f"Gone since they were measured, [and why]({DECIDED}): {_list([f'`{arm}`' for arm in place.removed])}.\n"
    yield from _pairs(place, results)
    yield from _discriminators(found)


def _row(each: Standing) -> str:
    minus = each.minus.interval if each.minus is not None else None
    by_seed = " ".join(f"{100 * sum(run.correct) / run.num_questions:.1f}" for _, run in sorted(each.runs.items()))
    cells = (
        f"`{each.arm}`",
        f"{100 * each.mean.estimate:.1f} ({100 * each.mean.low:.1f} to {100 * each.mean.high:.1f})",
        "" if minus is None else points(minus),
        p_value(each.adjusted),
        by_seed,
        "" if each.rate is None else f"{each.rate:g}{' ▸' if each.is_edge else ''}",
        f"{each.average('num_tokens'):,.0f}",
        f"{each.average('cpu_s'):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _verdict(found: Sequence[Standing], baseline: str) -> str:
    """In words, what the table's whole rows say."""
    whole = [each for each in found if each.is_whole]
    if baseline not in [each.arm for each in whole]:
        return f"`{baseline}` doesn't have all its seeds yet, so nothing is concluded."
    clear = [each for each in whole if is_clear(each) and each.minus is not None]
    ahead = [f"`{each.arm}`" for each in clear if each.minus is not None and each.minus.interval.estimate > 0]
    behind = [f"`{each.arm}`" for each in clear if each.minus is not None and each.minus.interval.estimate < 0]
    open_ = [f"`{each.arm}`" for each in whole if each not in clear and each.arm != baseline]
    unfinished = [f"`{each.arm}`" for each in found if not each.is_whole]
    said = [
        f"Ahead of `{baseline}`: {_list(ahead)}.",
        f"Behind it: {_list(behind)}.",
        f"Not told apart from it: {_list(open_)}.",
    ]
    return " ".join([*said, f"Without all seeds: {_list(unfinished)}."] if unfinished else said)


def _pairs(place: Place, results: Results) -> Iterator[str]:
    """Other comparisons than with the baseline; their p are adjusted among themselves."""
    found = differences(place, results, PAIRS)
    if not found:
        return
    yield "| paired difference | points | p |\n| --- | --- | ---: |"
    for (arm, other), (minus, adjusted) in found.items():
        yield f"| `{arm}` minus `{other}` | {points(minus.interval)} | {p_value(adjusted)} |"
    yield ""


def _discriminators(found: Sequence[Standing]) -> Iterator[str]:
    """What the discriminators of the arms that have one were like."""
    rows = [(each, {name: each.metric(name) for name in DISCRIMINATOR}) for each in found]
    shown = [(each, values) for each, values in rows if any(value is not None for value in values.values())]
    if not shown:
        return
    yield "Discriminators, means over seeds; the spread is the accuracy's deviation between seeds, in points.\n"
    yield "| arm | spread | " + " | ".join(DISCRIMINATOR.values()) + " |"
    yield "| --- |" + " ---: |" * (1 + len(DISCRIMINATOR))
    for each, values in shown:
        cells = ("" if value is None else f"{value:.2f}" for value in values.values())
        yield f"| `{each.arm}` | {100 * each.spread:.1f} | {' | '.join(cells)} |"
    yield ""


def points(interval: Interval) -> str:
    """A difference of shares, in points, with its interval."""
    return f"{100 * interval.estimate:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def p_value(value: float | None) -> str:
    """For a table; empty where there is none."""
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
