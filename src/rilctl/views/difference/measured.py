"""What two runs measured, and how fast they were, at the steps that both have."""

from statistics import fmean

from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.registry import find_metric
from rilctl.schemas.difference import MetricDifference, SpeedDifference
from rilctl.views.runs.view import RunView

_ENDING = "_s"


def compare_metrics(a: RunView, b: RunView) -> list[MetricDifference]:
    """Metrics that both have: step by step, or where the verb has no steps, as their artifacts say them."""
    found = [_at_steps(name, dict(a.metrics[name]), dict(b.metrics[name])) for name in a.metrics if name in b.metrics]
    of_steps = [each for each in found if each is not None]
    if a.metrics or b.metrics:
        return sorted(of_steps, key=lambda each: _place(each.metric))
    values_a, values_b = _final(a), _final(b)
    return [
        MetricDifference(
            metric=name,
            step=None,
            a=values_a[name],
            b=values_b[name],
            difference=values_b[name] - values_a[name],
            mean_difference=None,
            first_step=None,
            points=[],
        )
        for name in values_a
        if name in values_b
    ]


def compare_speed(a: RunView, b: RunView) -> list[SpeedDifference]:
    """Seconds of each phase, a mean over the steps that both noted."""
    steps = _steps(a) & _steps(b)
    if not steps:
        return []
    seconds_a, seconds_b = _seconds(a, steps), _seconds(b, steps)
    longest = {name: max(seconds_a.get(name, 0.0), seconds_b.get(name, 0.0)) for name in {**seconds_a, **seconds_b}}
    phases = sorted(longest, key=lambda name: -longest[name])
    together = SpeedDifference(phase="step", a_s=sum(seconds_a.values()), b_s=sum(seconds_b.values()))
    return [
        together,
        *(SpeedDifference(phase=name, a_s=seconds_a.get(name, 0.0), b_s=seconds_b.get(name, 0.0)) for name in phases),
    ]


def _at_steps(name: str, a: dict[int, float], b: dict[int, float]) -> MetricDifference | None:
    points = [(step, a[step], b[step]) for step in sorted(a.keys() & b.keys())]
    if not points:
        return None
    step, last_a, last_b = points[-1]
    return MetricDifference(
        metric=name,
        step=step,
        a=last_a,
        b=last_b,
        difference=last_b - last_a,
        mean_difference=fmean(own_b - own_a for _, own_a, own_b in points),
        first_step=next((at for at, own_a, own_b in points if own_a != own_b), None),
        points=points,
    )


def _place(name: str) -> tuple[bool, int, str]:
    """Those that a run shows beside its bar, in its summary and its picture first, then as the list has them."""
    metric = find_metric(name)
    if metric is None:
        return True, len(METRICS), name
    return not (metric.bar or metric.headline or metric.panel), METRICS.index(metric), name


def _final(view: RunView) -> dict[str, float]:
    """What the manifests say was measured."""
    return {name: value for manifest in view.manifests.values() for name, value in manifest.metrics.items()}


def _steps(view: RunView) -> set[int]:
    return {step for points in view.timings.values() for step, _ in points if step > 0}


def _seconds(view: RunView, steps: set[int]) -> dict[str, float]:
    """By phase; a step that didn't have a phase counts with 0."""
    return {
        name.removesuffix(_ENDING).replace("_", " "): sum(value for step, value in points if step in steps) / len(steps)
        for name, points in view.timings.items()
        if name.endswith(_ENDING)
    }
