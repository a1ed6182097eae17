"""Which metrics are drawn: those that the list of metrics shows of a verb, then those that say how it fares."""

from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.metric import Metric
from rilctl.reporting.registry import find_metric
from rilctl.views.runs.series import Series

_HEALTH = (
    "policy/entropy",
    "response/mean_tokens",
    "group/no_signal_share",
    "policy/grad_norm",
    "disc/balanced_accuracy",
    "disc/length_only_accuracy",
    "disc/margin",
    "disc/saturation",
    "sft/grad_norm",
    "disc/grad_norm",
    "judge/missing_share_student",
    "policy/teacher_logprob",
)
"""In this order, where a terminal has room left."""


def curves_of(verb: str, series: Series) -> list[str]:
    """The metrics that are worth a curve, the most telling first.

    Args:
        verb: whose they are.
        series: what there is.
    """
    ends = {end for metric in METRICS if metric.panel and metric.panel.bounds for end in metric.panel.bounds}
    known = {name: metric for name in series if name not in ends and (metric := find_metric(name)) is not None}
    shown = sorted((name for name in known if _is_shown(known[name], verb)), key=lambda name: _rank(known[name]))
    return [*shown, *(name for name in _HEALTH if name in series and name not in shown)]


def _is_shown(metric: Metric, verb: str) -> bool:
    return metric.panel is not None or verb in metric.bar or (verb == "train" and metric.headline)


def _rank(metric: Metric) -> tuple[bool, int, int]:
    """Those of the picture of a run from right to left, the accuracy first; then in the list's order."""
    return metric.panel is None, -metric.panel.place if metric.panel else 0, METRICS.index(metric)
