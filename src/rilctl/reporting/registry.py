"""What the list of metrics says of those that are at hand."""

from collections.abc import Iterable, Mapping
from functools import cache

from rilctl.config.recipe import Verb
from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.metric import Metric


@cache
def find_metric(name: str) -> Metric | None:
    """The record of a metric as it is written; None: there is none. One of that very name comes before a pattern."""
    exact = next((metric for metric in METRICS if name == metric.name or name in metric.made_of), None)
    return exact or next((metric for metric in METRICS if metric.matches(name)), None)


def shown(verb: Verb, metrics: Mapping[str, float]) -> dict[str, float]:
    """Those that stand beside a verb's progress bar, in the registry's order."""
    found = [(METRICS.index(metric), name) for name in metrics if (metric := find_metric(name)) and verb in metric.bar]
    return {name: metrics[name] for _, name in sorted(found)}


def headline(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of the closing summary of `train`."""
    return {name: value for name, value in metrics.items() if (metric := find_metric(name)) and metric.headline}


def counts_of(room: str, sums: Iterable[str]) -> dict[str, str | None]:
    """Which of a batch's sums each one is divided by, when it is over.

    Args:
        room: what stands before the metrics' names: `policy`.
        sums: their names without it, or names of what they are made of.

    Returns:
        By name, `num_student_tokens`, say; None: it is no mean.

    Raises:
        KeyError: the registry doesn't know it.
    """
    counts: dict[str, str | None] = {}
    for name in sums:
        metric = find_metric(f"{room}/{name}")
        if metric is None:
            raise KeyError(f"no metric `{room}/{name}`")
        counts[name] = f"num_{metric.over.replace(' ', '_')}" if metric.over.endswith(" tokens") else None
    return counts
