"""Pictures of a run: training dynamics and final accuracies. Matplotlib is imported when one is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rilctl.artifacts.layout import naming
from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.metric import Panel
from rilctl.reporting.metrics import MetricsRow, read_metrics
from rilctl.schemas.comparison import ComparedArm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = sorted(
    ((metric.panel, metric.name) for metric in METRICS if metric.panel is not None), key=lambda panel: panel[0].place
)
_REWARD = re.compile(r"reward/(.*)_student")
_COLOURS = {
    "ril": "#D55E00",
    "dr-grpo": "#0072B2",
    "sft-teachers": "#009E73",
    "sft-data": "#E69F00",
    "sft-right": "#CC79A7",
    "answer-teachers": "#56B4E9",
    "base": "#7F7F7F",
}
_SPARE_COLOURS = ("#8C6D31", "#4D4D4D", "#332288", "#882255")
"""Okabe and Ito's palette: told apart with any colour vision, and in grey."""
_STYLE: Any = {
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#B0B0B0",
    "axes.labelcolor": "#404040",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ECECEC",
    "xtick.color": "#606060",
    "ytick.color": "#606060",
    "legend.frameon": False,
}
_SMALL: Any = {"fontsize": 8.5, "color": "#606060"}
_SMOOTHING = 0.05
"""Width of the running mean, as a share of the steps."""


def plot_training(runs: Mapping[str, Path | Sequence[MetricsRow]], out: Path) -> None:
    """Draw the metrics that have a panel in the registry against the step, one colour for each run.

    The rewards that recipes added follow, each in its own units.

    What is noisy is drawn faintly, its running mean boldly. A run without a metric is absent from its panel.

    Args:
        runs: name -> `metrics.jsonl`, or its rows.
        out: the picture; its ending says the format (`.png`, `.svg`, `.pdf`).
    """
    rows = {name: read_metrics(run) if isinstance(run, Path) else run for name, run in runs.items()}
    colours = _colours(list(rows))
    own = _own_rewards(rows.values())
    panels = [*_PANELS, *own]
    with _figure(out, width=9.6 * len(panels) / len(_PANELS), height=3.4, columns=len(panels)) as (figure, axes):
        for axis, (panel, metric) in zip(axes, panels, strict=True):
            _title(axis, panel.title, panel.about)
            if (panel, metric) not in own:
                _percent(axis.yaxis)
                axis.set_ylim(0, 1.02)
            axis.set_xlabel("step")
            for name, run in rows.items():
                _draw_run(axis, run, metric, panel, colours[name])
        handles = [axes[0].plot([], [], color=colours[name], lw=2.2)[0] for name in rows]
        figure.legend(handles, list(rows), loc="outside lower center", ncols=len(rows))


def plot_accuracy(arms: Sequence[ComparedArm], questions: int, out: Path) -> None:
    """Draw each arm's accuracy as a point with its confidence interval, its seeds as dots below; the first on top.

    Args:
        arms: what to draw, at least one.
        questions: held-out ones.
        out: the picture; its ending says the format.
    """
    colours = _colours([arm.name for arm in arms])
    has_seeds = any(len(arm.seeds) > 1 for arm in arms)
    with _figure(out, width=6.4, height=1.1 + 0.42 * len(arms), columns=1) as (_, (axis,)):
        for place, arm in enumerate(arms):
            colour, spread = colours[arm.name], [[arm.accuracy - arm.low], [arm.high - arm.accuracy]]
            axis.errorbar(arm.accuracy, place, xerr=spread, fmt="o", color=colour, ms=8, lw=2.4, capsize=0)
            if len(arm.seeds) > 1:
                dots = [seed.accuracy for seed in arm.seeds]
                axis.plot(dots, [place + 0.27] * len(dots), "o", color=colour, ms=3.5)
            label = f"{arm.accuracy * 100:.1f} %"
            axis.annotate(label, (arm.high, place), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9)
        axis.set_yticks(range(len(arms)), [arm.name for arm in arms])
        axis.set_ylim(len(arms) - 0.5, -0.5)
        axis.grid(visible=False, axis="y")
        _percent(axis.xaxis)
        axis.set_xlim(0, min(1.0, max(arm.high for arm in arms)) + 0.14)
        about = "means over seeds (dots), and their 95 % intervals" if has_seeds else "points, and their 95 % intervals"
        _title(axis, f"accuracy on {questions:,} held-out questions", about)


def _own_rewards(runs: Iterable[Sequence[MetricsRow]]) -> list[tuple[Panel, str]]:
    """Panels of the rewards that the runs' recipes added."""
    listed = {metric.name for metric in METRICS}
    metrics = sorted({name for run in runs for row in run for name in row} - listed)
    found = [(match[1], name) for name in metrics if (match := _REWARD.fullmatch(name))]
    return [
        (Panel(len(_PANELS) + at, f"{own} reward", "mean over rollouts"), n) for at, (own, n) in enumerate(found, 1)
    ]


@contextmanager
def _figure(out: Path, *, width: float, height: float, columns: int) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    """A figure in our style (inches) with a row of axes; written to `out` at the end. Touches no global state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, columns, squeeze=False)[0]
        yield figure, list(axes)
        out.parent.mkdir(parents=True, exist_ok=True)
        with naming(out):
            figure.savefig(out)


def _draw_run(axis: Axes, run: Sequence[MetricsRow], metric: str, panel: Panel, colour: str) -> None:
    points = [(row["step"], row[metric]) for row in run if metric in row]
    if not points:
        return
    steps, values = zip(*points, strict=True)
    if panel.bounds is not None:
        low_name, high_name = panel.bounds
        bounds = [(row["step"], row[low_name], row[high_name]) for row in run if low_name in row]
        axis.plot(steps, values, color=colour, lw=2.2, marker="o", ms=4.5)
        if bounds:
            at, low, high = zip(*bounds, strict=True)
            axis.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    else:
        axis.plot(steps, values, color=colour, lw=0.8, alpha=0.3)
        axis.plot(steps, running_mean(values, max(1, round(len(values) * _SMOOTHING))), color=colour, lw=2.2)


def running_mean(values: Sequence[float], reach: int) -> list[float]:
    """Mean of each value and up to `reach` neighbours on either side; as long as `values`."""
    windows = (values[max(0, at - reach) : at + reach + 1] for at in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def _title(axis: Axes, title: str, about: str) -> None:
    axis.set_title(f"{title}\n", pad=2)
    axis.annotate(about, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points", **_SMALL)


def _percent(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=" %"))


def _colours(names: Sequence[str]) -> dict[str, str]:
    """A fixed colour for each known arm; the spare ones, in turn, for the others."""
    others = [name for name in names if name not in _COLOURS]
    spare = {name: _SPARE_COLOURS[at % len(_SPARE_COLOURS)] for at, name in enumerate(others)}
    return {name: _COLOURS.get(name) or spare[name] for name in names}
