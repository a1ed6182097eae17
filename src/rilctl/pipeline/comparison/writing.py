"""The files of a comparison: JSON, a report, a short page of its table, pictures."""

from pathlib import Path

from rilctl.artifacts.check import check_log
from rilctl.artifacts.layout import METRICS, write_atomic
from rilctl.errors import RilctlError
from rilctl.markdown import table
from rilctl.pipeline.comparison.jobs import Planned
from rilctl.pipeline.comparison.setup import Comparison
from rilctl.reporting.plots import plot_accuracy, plot_training
from rilctl.reporting.progress import Reporter, SilentReporter
from rilctl.reporting.tables import markdown_table, said_seconds
from rilctl.schemas.comparison import ComparedArm, ComparisonReport, PairedDifference, SharedCost
from rilctl.views.report.build import Asked, build_report
from rilctl.views.report.render import render

JSON, PAGE, REPORT = "comparison.json", "comparison.md", "report.html"
_PICTURES = {"accuracy": "accuracy.png", "training": "training.png"}


def draw(
    comparison: Comparison, planned: Planned, arms: list[ComparedArm], questions: int, cwd: Path
) -> dict[str, str]:
    """Both pictures; that of training shows seed 0 of the arms that `train` made, if there is one.

    Returns:
        Their paths, by name.
    """
    folder, logs = cwd / comparison.folder, training_logs(comparison, planned, cwd)
    plot_accuracy(arms, questions, folder / _PICTURES["accuracy"])
    pictures = {"accuracy": str(folder / _PICTURES["accuracy"])}
    if logs:
        for log in logs.values():
            check_log(log)
        plot_training(logs, folder / _PICTURES["training"])
        pictures["training"] = str(folder / _PICTURES["training"])
    return pictures


def training_logs(comparison: Comparison, planned: Planned, cwd: Path) -> dict[str, Path]:
    """`metrics.jsonl` of seed 0 of each arm that `train` made."""
    found = {}
    for arm in comparison.arms:
        for name in planned.own[arm.name, 0]:
            if planned.jobs[name].arguments[0] == "train":
                found[arm.name] = cwd / planned.places[name] / METRICS
    return found


def write(report: ComparisonReport, folder: Path, command: str, reporter: Reporter) -> None:
    """The page, the JSON, then the report, which reads that.

    Args:
        report: what was found.
        folder: of the comparison.
        command: that makes it again, for the report.
        reporter: told where the report can't be made: a run's result never hangs on what shows it.
    """
    write_atomic(folder / PAGE, page(report).encode())
    write_atomic(folder / JSON, report.model_dump_json(indent=2).encode() + b"\n")
    try:
        found = build_report(Asked([folder], command), SilentReporter())
        write_atomic(folder / REPORT, render(found, "html").encode())
    except (RilctlError, OSError) as error:
        reporter.warn(f"no {REPORT}: {error.message if isinstance(error, RilctlError) else error}")


def page(report: ComparisonReport) -> str:
    """For people, in Markdown."""
    pictures = [f"![{name}]({file})" for name, file in _PICTURES.items() if name in report.artifacts]
    parts = [
        f"# {report.recipe}: {len(report.arms)} arms",
        report.advice + ".",
        markdown_table(report.arms),
        _about(report),
        *pictures,
        "## Every two arms\n\n" + _pairs(report.paired),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _about(report: ComparisonReport) -> str:
    lines = [f"{report.questions:,} held-out questions"]
    if report.left_out:
        lines[0] += f"; {report.left_out:,} more have no score in some arm, and count for none"
    if report.pilot is not None:
        lines.append(f"a pilot on at most {report.pilot:,} questions")
    lines.append(report.budget)
    lines += [_cost(cost) for cost in report.shared]
    return "".join(f"- {line}\n" for line in lines)


def _cost(cost: SharedCost) -> str:
    took = "done before" if cost.seconds is None else said_seconds(cost.seconds)
    return f"`{cost.name}`, shared by the arms that need it: {took}" + (
        "" if cost.money is None else f", {cost.money:,.2f} charged"
    )


def _pairs(paired: list[PairedDifference]) -> str:
    lines = [
        (
            f"`{pair.a}`",
            f"`{pair.b}`",
            f"{pair.difference * 100:+.1f}",
            f"{pair.low * 100:+.1f} to {pair.high * 100:+.1f}",
            "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}",
        )
        for pair in paired
    ]
    return (
        table(("arm", "minus", "points", "interval", "p"), lines, numbers_from=2)
        + f"\nPaired by question, over the seeds. The intervals hold at 95 % for all {len(paired)} pairs together "
        "(Bonferroni); p is adjusted for them (Holm).\n"
    )
