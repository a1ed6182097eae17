"""A report, from the folders that a person names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rilctl import __version__
from rilctl.reporting.progress import Reporter
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.records import VerdictRecord
from rilctl.schemas.report import REPORT_VERSION, Chart, Report, ReportSign
from rilctl.schemas.report_result import Flips
from rilctl.schemas.report_rollouts import ReportGroup, ReportPictures, ReportRollouts, RewardShare
from rilctl.views.report import charts as drawn
from rilctl.views.report import results
from rilctl.views.report.about import about, figures
from rilctl.views.report.comparisons import comparisons_at
from rilctl.views.report.data import data_of
from rilctl.views.report.evaluations import Pair, evaluations_of, pairs_of
from rilctl.views.report.findings import findings
from rilctl.views.report.flips import Visits, flips_between
from rilctl.views.report.lineage import lineage_graph
from rilctl.views.report.overview import last_step, reported
from rilctl.views.report.pictures import thumbnails
from rilctl.views.report.recipe import recipe_of
from rilctl.views.report.rollouts import chosen_steps, groups_of, histogram, sample, with_words
from rilctl.views.report.sources import find_pictures
from rilctl.views.report.tags import TAGS
from rilctl.views.runs.find import find_runs
from rilctl.views.runs.view import RunView
from rilctl.views.warnings import find_signs

PICTURES_MB = 8
"""What thumbnails take at most, where nobody says otherwise."""
_SAMPLING = (
    "Whole groups of the first, the last and the best step, and of evenly spaced ones between, each step's first "
    "ones; and from all steps the groups that are most remarkable, by how much such a row earned beyond its group."
)


@dataclass(frozen=True)
class Asked:
    """What a report is asked for.

    Args:
        paths: of runs, artifacts, comparisons or folders that hold some.
        command: what was typed.
        pictures_bytes: what thumbnails may take together.
    """

    paths: Sequence[Path]
    command: str
    pictures_bytes: int = PICTURES_MB * 1_000_000


def build_report(asked: Asked, reporter: Reporter) -> Report:
    """Gather everything; what can't be read is told in the report's notes.

    Args:
        asked: what is reported.
        reporter: told of each part.

    Raises:
        ArtifactError: there is no run at a path.
    """
    notes: list[str] = []
    runs = find_runs(*asked.paths)
    reporter.begin("report", total=len(runs) + 3, unit="parts")
    comparisons = comparisons_at(asked.paths, notes)
    evaluations = evaluations_of(runs)
    pairs = pairs_of(runs, evaluations)
    charts = drawn.charts_of(runs)
    signs = [sign for run in runs for sign in _signs(run, charts)]
    signs.sort(key=lambda sign: (sign.severity != "bad", not sign.is_lasting))
    reporter.advance()
    rollouts, flips = _rollouts_and_flips(runs, pairs, reporter)
    pictures = _pictures([*runs, *(each.run for each in evaluations)], rollouts, flips, asked.pictures_bytes, notes)
    reporter.advance()
    accuracies = results.accuracies(runs, pairs)
    overview = [reported(run) for run in runs]
    report = Report(
        version=REPORT_VERSION,
        title=_title(asked.paths, runs, comparisons),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_by=f"rilctl {__version__}",
        command=asked.command,
        about=about(runs, overview),
        figures=figures(runs, accuracies, evaluations),
        runs=overview,
        notes=[],
        findings=findings(overview, comparisons, accuracies, flips, signs),
        signs=signs,
        comparisons=comparisons,
        accuracies=accuracies,
        flips=flips,
        benchmarks=results.benchmarks(evaluations),
        sizes=results.sizes(evaluations, runs),
        picture_use=results.picture_use(runs, evaluations),
        charts=charts,
        rollouts=rollouts,
        pictures=pictures,
        data=[data_of(run) for run in runs],
        recipes=[recipe_of(run) for run in runs],
        lineage=lineage_graph(runs),
    )
    reporter.advance()
    reporter.end()
    problems = [problem for run in runs for problem in run.problems]
    return report.model_copy(update={"notes": list(dict.fromkeys([*notes, *problems]))})


def _title(paths: Sequence[Path], runs: Sequence[RunView], comparisons: Sequence[ComparisonReport]) -> str:
    if len(comparisons) == 1 and len(paths) == 1:
        return f"{comparisons[0].recipe}: {len(comparisons[0].arms)} arms"
    if len(runs) == 1:
        return runs[0].name
    return ", ".join(dict.fromkeys(path.resolve().name for path in paths))


def _signs(run: RunView, charts: Sequence[Chart]) -> list[ReportSign]:
    return [
        ReportSign(
            name=sign.name,
            run=run.name,
            title=sign.title,
            severity=sign.severity,
            says=seen.says,
            steps=list(seen.steps),
            means=sign.means,
            advice=sign.advice,
            docs=f"signs.md#{sign.name}",
            chart=drawn.chart_of_metric(charts, sign.metric),
            is_lasting=_lasts(seen.steps, last_step(run)),
        )
        for sign, seen in find_signs(run.metrics)
    ]


def _lasts(steps: Sequence[int], last: int | None) -> bool:
    """Whether a sign shows in the last tenth of a run."""
    return not steps or last is None or steps[-1] >= last - last // 10


def _rollouts_and_flips(
    runs: Sequence[RunView], pairs: Sequence[Pair], reporter: Reporter
) -> tuple[ReportRollouts | None, list[Flips]]:
    """Both need all rollouts; a run whose sides were evaluated has its flips from there."""
    flips = [flips_between(pair) for pair in pairs]
    evaluated = {pair.run.name for pair in pairs}
    groups: list[ReportGroup] = []
    bars: list[RewardShare] = []
    num_groups = num_rows = 0
    with_rollouts = [run for run in runs if run.verb == "train"]
    for run in runs:
        reporter.advance()
        if run not in with_rollouts:
            continue
        steps = chosen_steps(1, last_step(run) or 1, _best_step(run))
        visits = Visits()
        found = sample(run.name, visits.watch(groups_of(run.rollouts())), steps, len(with_rollouts))
        groups += with_words(found.groups, _prepaid(run, runs))
        bars += histogram(run.name, found.rewards)
        num_groups, num_rows = num_groups + found.num_groups, num_rows + found.num_rows
        if run.name not in evaluated and (own := visits.flips(run.name)) is not None:
            flips.append(own)
    if not num_groups:
        return None, flips
    there = {tag for group in groups for row in group.rows for tag in row.tags}
    return ReportRollouts(
        groups=groups,
        sampling=_SAMPLING,
        num_groups=num_groups,
        num_rows=num_rows,
        tags={tag: meaning for tag, meaning in TAGS.items() if tag in there},
        histogram=bars,
    ), flips


def _best_step(run: RunView) -> int | None:
    points = run.metrics.get("validation/accuracy")
    return max(points, key=lambda point: point[1])[0] if points else None


def _prepaid(run: RunView, runs: Sequence[RunView]) -> list[VerdictRecord]:
    """Verdicts that the run read, if they are among the runs."""
    digests = {entry.digest for entry in run.inputs if entry.role == "verdicts"}
    for other in runs:
        for role, manifest in other.manifests.items():
            if manifest.kind == "verdicts" and manifest.content_digest in digests:
                return list(other.rows(role, VerdictRecord))
    return []


def _pictures(
    runs: Sequence[RunView],
    rollouts: ReportRollouts | None,
    flips: Sequence[Flips],
    budget_bytes: int,
    notes: list[str],
) -> ReportPictures:
    """Flips first: they are what a report is opened for."""
    wanted = [(flip.sample_id, digest) for each in flips for flip in each.shown for digest in flip.image_digests]
    shown = rollouts.groups if rollouts else []
    wanted += [(group.sample_id, digest) for group in shown for digest in group.image_digests]
    found = find_pictures(runs, {sample_id for sample_id, _ in wanted}, notes) if wanted else {}
    return thumbnails(wanted, found, budget_bytes)
