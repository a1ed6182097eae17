"""A report in Markdown: what is said in words and tables; pictures and rollouts are the page's."""

from collections.abc import Iterable, Sequence

from rilctl.markdown import table
from rilctl.reporting.tables import markdown_table, said_seconds
from rilctl.schemas.report import Report
from rilctl.schemas.report_result import Flips, PictureUse, Score
from rilctl.views.page.formats import plural

MOST_FLIPS = 20
"""Of each way, in the tables."""
_MOODS = {"bad": "**bad:** ", "neutral": "", "good": ""}
_PICTURES = ("run", "benchmark", "its own", "another's", "gap", "none", "gap")


def to_markdown(report: Report) -> str:
    """Every part that has something to say, in the page's order."""
    parts = [
        f"# {_plain(report.title)}\n\n{report.made_by}, {report.made_at}: `{report.command}`",
        "\n\n".join(map(_plain, report.about)),
        "".join(f"- {_MOODS[each.mood]}{_plain(each.text)}\n" for each in report.findings),
        *(f"## Comparison: {each.recipe}\n\n{markdown_table(each.arms)}" for each in report.comparisons),
        _part("Runs", _runs(report)),
        _part("Accuracy", _accuracies(report)),
        "".join(f"- {_plain(each)}\n" for each in report.figures),
        _part("Benchmarks", _benchmarks(report)),
        _part("Beside other pictures", _table(_PICTURES, map(_use, report.picture_use))),
        *map(_flips, report.flips),
        _signs(report),
        _part("Changed from the defaults", _changed(report)),
        _part("Data", _data(report)),
        _part("Not read", "".join(f"- {_plain(note)}\n" for note in report.notes)),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _part(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body.strip() else ""


def _runs(report: Report) -> str:
    lines = [
        (
            run.name,
            run.verb,
            run.state,
            "-" if run.steps_done is None else f"{run.steps_done:,}",
            "-" if run.seconds is None else said_seconds(run.seconds),
            "-" if run.cost is None else f"{run.cost:,.2f}",
            run.versions.get("rilctl", "-"),
        )
        for run in report.runs
    ]
    return _table(("run", "verb", "state", "steps", "time", "cost", "rilctl"), lines)


def _accuracies(report: Report) -> str:
    lines = [
        (
            each.run,
            each.source,
            _percent(each.before),
            _percent(each.after),
            "-" if each.best is None else f"{_percent(each.best)}, step {each.best_step}",
        )
        for each in report.accuracies
    ]
    return _table(("run", "measured by", "before", "after", "best"), lines)


def _benchmarks(report: Report) -> str:
    lines = [
        (each.name, bar.name, _points(bar.score), f"{bar.score.num_questions:,}" if bar.score.num_questions else "-")
        for each in report.benchmarks
        for bar in each.bars
    ]
    return _table(("benchmark", "whose", "score", "questions"), lines)


def _use(use: PictureUse) -> tuple[str, ...]:
    gaps = (_points(use.swapped), _points(use.swapped_gap), _points(use.none), _points(use.none_gap))
    return (use.name, use.benchmark, _points(use.own), *gaps)


def _flips(flips: Flips) -> str:
    p = "" if flips.p is None or flips.basis == "rollouts" else f" (sign test: p = {flips.p:.2g})"
    head = (
        f"## Flips: {_plain(flips.run)}\n\n{_plain(flips.before)} against {_plain(flips.after)}, "
        f"{plural(flips.num_questions, 'question')}: {flips.num_gained:,} from wrong to right, {flips.num_lost:,} from "
        f"right to wrong{p}. By {flips.basis}; shown: {flips.sampling}."
    )
    shown = [f for way in ("lost", "gained") for f in [g for g in flips.shown if g.way == way][:MOST_FLIPS]]
    lines = [(f.way, f.sample_id, f.question, f.truth, f.before.text, f.after.text) for f in shown]
    return f"{head}\n\n{_table(('way', 'id', 'question', 'truth', 'before', 'after'), lines)}"


def _signs(report: Report) -> str:
    parts = [
        f"### {sign.name}: {_plain(sign.run)}\n\n{'Bad news. ' if sign.severity == 'bad' else ''}"
        f"{sign.title[0].upper()}{sign.title[1:]}: {sign.says}. {sign.means}\n\n"
        f"Try: {sign.advice} More: docs/{sign.docs}"
        for sign in report.signs
    ]
    return _part("Warnings", "\n\n".join(parts))


def _changed(report: Report) -> str:
    lines = [
        (each.run, f"`{key.key}`", key.value, key.default or "-")
        for each in report.recipes
        for key in each.keys
        if key.is_changed
    ]
    return _table(("run", "key", "value", "default"), lines)


def _data(report: Report) -> str:
    lines = [(each.run, "from", source) for each in report.data for source in each.sources]
    for each in report.data:
        lines += [(each.run, count.name, f"{count.num:,}") for count in (*each.counts, *each.selection)]
        lines += [(each.run, f"rejected: {count.name}", f"{count.num:,}") for count in each.rejected_reasons]
    return _table(("run", "what", ""), lines)


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return table(header, [tuple(map(_plain, line)) for line in lines])


def _plain(text: str) -> str:
    """Foreign text on one line, with nothing that Markdown takes for a tag."""
    return " ".join(text.split()).replace("<", "&lt;")


def _percent(score: Score | None) -> str:
    if score is None:
        return "-"
    ends = "" if score.low is None or score.high is None else f" ({100 * score.low:.1f} to {100 * score.high:.1f})"
    return f"{100 * score.value:.1f} %{ends}"


def _points(score: Score | None) -> str:
    if score is None:
        return "-"
    ends = "" if score.low is None or score.high is None else f" ({score.low:.1f} to {score.high:.1f})"
    return f"{score.value:.1f}{ends}"
