"""What the templates ask of a report: which charts are worth a picture, which rollouts are kept."""

from collections.abc import Iterable, Sequence

from rilctl.schemas.report import Chart, Report, ReportSign
from rilctl.schemas.report_result import SizedScore


def flat_charts(report: Report) -> list[str]:
    """Names of the charts that are 0 throughout: a line says so, unless something on the page points at the picture."""
    wanted = {sign.chart for sign in report.signs} | {each.target.removeprefix("chart:") for each in report.findings}
    return [chart.name for chart in report.charts if _is_flat(chart) and chart.name not in wanted]


def kept_step(report: Report, run: str, step: int | None, sample_id: str = "") -> int | None:
    """The step whose rollouts are here, of a question if one is named, nearest to one; None where there are none."""
    groups = report.rollouts.groups if report.rollouts else []
    steps = {group.step for group in groups if group.run == run and sample_id in ("", group.sample_id)}
    return min(steps, key=lambda each: (abs(each - (step or 0)), -each)) if steps and step is not None else None


def signs_by_name(signs: Iterable[ReportSign]) -> list[list[ReportSign]]:
    """One list for each warning, of the runs in which it shows, in the order of the first ones."""
    found: dict[str, list[ReportSign]] = {}
    for sign in signs:
        found.setdefault(sign.name, []).append(sign)
    return list(found.values())


def comparable(sizes: Sequence[SizedScore]) -> list[SizedScore]:
    """Points of suites on which models of two sizes at least were measured."""
    numbers: dict[str, set[int]] = {}
    for point in sizes:
        numbers.setdefault(point.suite, set()).add(point.num_parameters)
    return [point for point in sizes if len(numbers[point.suite]) > 1]


def _is_flat(chart: Chart) -> bool:
    return all(value == 0 for line in chart.lines for _, value in line.points)
