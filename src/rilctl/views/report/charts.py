"""Training dynamics as charts: the known ones, a run's own rewards, and whatever else was measured."""

import re
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import get_args

from rilctl.clock import Phase, key_of
from rilctl.reporting.reference import TIMINGS
from rilctl.reporting.registry import find_metric
from rilctl.schemas.report import Chart, Line
from rilctl.views.report.chart_table import CHARTS, GROUPS, ChartRecord
from rilctl.views.runs.series import Series
from rilctl.views.runs.view import RunView

MOST_POINTS = 1_000
"""Of a curve; of a longer one, means of equally many steps are drawn."""
SMALL_PHASE, MOST_PHASES = 0.01, 8
"""A phase below this share of all time is no layer of its own; the page has so many colours."""
_ROOMS = {"disc": "discriminator", "response": "responses", "group": "groups", "sync": "weights sent"}
_OWN_REWARD = re.compile(r"reward/(?!answer|similarity|advantage)(?P<name>.+)_(?P<side>student|teacher)")
_KNOWN_PHASES = {key_of(phase): phase for phase in get_args(Phase)}


def charts_of(runs: Sequence[RunView]) -> list[Chart]:
    """All charts that have a curve, by group."""
    records = [*CHARTS, *_own_rewards(runs)]
    drawn = {metric for record in records for metric in [*record.metrics, *_ends(record)]}
    found = [_chart(record, runs) for record in [*records, *_others(runs, drawn)]]
    found += [*(_phases(run, at, len(runs)) for at, run in enumerate(runs)), _speed(runs)]
    return sorted((chart for chart in found if chart.lines), key=lambda chart: GROUPS.index(chart.group))


def chart_of_metric(charts: Iterable[Chart], metric: str) -> str:
    """The chart that has a metric's curve; empty where none does."""
    return next((chart.name for chart in charts if any(line.metric == metric for line in chart.lines)), "")


def thinned(points: Sequence[tuple[int, float]]) -> tuple[list[tuple[int, float]], int]:
    """A curve of at most `MOST_POINTS`, and over how many steps each of its points is a mean."""
    every = -(-len(points) // MOST_POINTS) or 1
    if every == 1:
        return list(points), 1
    chunks = [points[at : at + every] for at in range(0, len(points), every)]
    return [(chunk[-1][0], fmean(value for _, value in chunk)) for chunk in chunks], every


def _chart(record: ChartRecord, runs: Sequence[RunView]) -> Chart:
    unit = next((known.unit for name in record.metrics if (known := find_metric(name))), "")
    lines = [
        _line(run, metric, label, (record.bands or {}).get(metric))
        for run in runs
        for metric, label in record.metrics.items()
        if run.metrics.get(metric)
    ]
    if len({line.metric for line in lines}) == 1 and len(record.metrics) > 1 and record.name in ("kl", "grad-norm"):
        lines = [line.model_copy(update={"label": ""}) for line in lines]
    if record.name == "pictures" and {line.metric for line in lines} <= {"validation/accuracy"}:
        lines = []
    return Chart(
        name=record.name,
        group=record.group,
        kind="lines",
        title=record.title,
        unit=unit,
        is_noisy=record.is_noisy,
        explanation=record.explanation,
        docs=record.docs,
        lines=lines,
    )


def _line(run: RunView, metric: str, label: str, ends: tuple[str, str] | None) -> Line:
    points, every = thinned(run.metrics[metric])
    low, high = (dict(run.metrics.get(end, ())) for end in ends) if ends else ({}, {})
    band = [(step, low[step], high[step]) for step, _ in points if step in low and step in high] if every == 1 else []
    return Line(run=run.name, metric=metric, label=label, points=points, band=band, every=every)


def _ends(record: ChartRecord) -> list[str]:
    return [end for ends in (record.bands or {}).values() for end in ends]


def _own_rewards(runs: Iterable[RunView]) -> list[ChartRecord]:
    found: dict[str, dict[str, str]] = {}
    for run in runs:
        for metric in run.metrics:
            if match := _OWN_REWARD.fullmatch(metric):
                found.setdefault(match["name"], {})[metric] = f"{match['side']}s"
    return [
        ChartRecord(
            f"reward-{name}",
            "rewards",
            f"reward {name}",
            metrics,
            "The recipe's own, before it is weighted. Compare it with the answer reward and held-out accuracy: where "
            "it rises and they fall, it pays for the wrong thing.",
            "train.md#rewards",
        )
        for name, metrics in sorted(found.items())
    ]


def _others(runs: Sequence[RunView], drawn: set[str]) -> list[ChartRecord]:
    names = sorted({metric for run in runs for metric in run.metrics} - drawn)
    return [
        ChartRecord(
            name.replace("/", "-"),
            "judge" if name.startswith("judge/") else "other",
            _words(name),
            {name: ""},
            _explained(name),
        )
        for name in names
        if not re.search(r"_(low|high)$", name)
    ]


def _explained(name: str) -> str:
    known = find_metric(name)
    if known is None:
        return f"`{name}`"
    mean = f"; mean over {known.over}" if known.over not in ("", "sum", "step", "run") else ""
    return f"`{name}`: {known.meaning}{mean}."


def _words(metric: str) -> str:
    """`disc/num_bad_steps` as `discriminator: bad steps`."""
    room, _, rest = metric.partition("/")
    said = (rest or room).removeprefix("num_").replace("_", " ").replace("/", ", ")
    return f"{_ROOMS.get(room, room)}: {said}" if rest else said


def _phases(run: RunView, at: int, num_runs: int) -> Chart:
    """Where a run's seconds go."""
    timings: Series = {name: points for name, points in run.timings.items() if name in _KNOWN_PHASES}
    timings = with_small_ones_together(timings)
    largest = sorted(timings, key=lambda name: -sum(value for _, value in timings[name]))
    lines = []
    for name in largest:
        points, every = thinned(timings[name])
        lines.append(Line(run=run.name, metric=name, label=_KNOWN_PHASES[name], points=points, band=[], every=every))
    meanings = "; ".join(f"{_KNOWN_PHASES[name]}: {TIMINGS[_KNOWN_PHASES[name]]}" for name in largest[:3])
    return Chart(
        name="phases" if num_runs == 1 else f"phases-{at + 1}",
        group="throughput",
        kind="stack",
        title="seconds of a step" if num_runs == 1 else f"seconds of a step, {run.name}",
        unit="s",
        is_noisy=True,
        explanation=f"Where the time goes, every second counted once. The largest: {meanings}.",
        docs="metrics.md#timingsjsonl",
        lines=lines,
    )


def with_small_ones_together(timings: Series) -> dict[str, list[tuple[int, float]]]:
    """Phases that take next to nothing, and those beyond what colours tell apart, are counted as `other`."""
    sums = {name: sum(value for _, value in points) for name, points in timings.items()}
    other = key_of("other")
    least = SMALL_PHASE * sum(sums.values())
    large = sorted((name for name, total in sums.items() if total >= least and name != other), key=lambda n: -sums[n])
    kept = set(large[: MOST_PHASES - 1])
    rest: dict[int, float] = {}
    for name in timings.keys() - kept:
        for step, value in timings[name]:
            rest[step] = rest.get(step, 0.0) + value
    found = {name: list(points) for name, points in timings.items() if name in kept}
    return found | ({other: sorted(rest.items())} if rest else {})


def _speed(runs: Sequence[RunView]) -> Chart:
    """Response tokens that a run learns from in a second."""
    lines = []
    for run in runs:
        seconds: dict[int, float] = {}
        for name, points in run.timings.items():
            for step, value in points if name.endswith("_s") else ():
                seconds[step] = seconds.get(step, 0.0) + value
        tokens: dict[int, float] = {}
        for name in ("policy/num_student_tokens", "policy/num_teacher_tokens", "sft/num_tokens"):
            for step, value in run.metrics.get(name, ()):
                tokens[step] = tokens.get(step, 0.0) + value
        rates = [(step, num / seconds[step]) for step, num in sorted(tokens.items()) if seconds.get(step, 0) > 0]
        if rates:
            points, every = thinned(rates)
            lines.append(Line(run=run.name, metric="tokens/s", label="", points=points, band=[], every=every))
    return Chart(
        name="speed",
        group="throughput",
        kind="lines",
        title="response tokens a second",
        unit="tokens/s",
        is_noisy=True,
        explanation="Response tokens that are learned from, over all of a step's time, validations and checkpoints "
        "with it. It falls as responses get longer, and where something waits.",
        docs="metrics.md#timingsjsonl",
        lines=lines,
    )
