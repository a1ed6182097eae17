"""Accuracies before and after, benchmarks beside references, size against score, and how much a student looks."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources

from rilctl.reporting.benchmarks import BenchmarkScore, Difference
from rilctl.schemas.report_result import Accuracy, Bar, Benchmark, PictureUse, Score, SizedScore
from rilctl.views.report.evaluations import STUDENTS, Evaluation, Pair
from rilctl.views.report.overview import num_parameters, table_of
from rilctl.views.runs.view import RunView

PAPER_SUITE = "14bench"
"""The suite of the paper's means."""
PAPER_SIZES = {
    "qwen7b": 8_290_000_000,
    "qwen3b": 3_750_000_000,
    "internvl8b": 7_940_000_000,
    "internvl2b": 2_090_000_000,
    "internvl1b": 938_000_000,
}
"""Parameters of the paper's students, rounded: vision tower and language model together."""


def accuracies(runs: Sequence[RunView], pairs: Sequence[Pair]) -> list[Accuracy]:
    """Of each run's validations, and of evaluations of both of its sides."""
    inside = [each for run in runs if (each := _validated(run)) is not None]
    return inside + [
        Accuracy(run=pair.run.name, source="evaluation", before=_mean(pair.before, 0.01), after=_mean(pair.after, 0.01))
        for pair in pairs
    ]


def benchmarks(evaluations: Sequence[Evaluation]) -> list[Benchmark]:
    """One group of bars for each benchmark, and one for the means where there are several."""
    names = dict.fromkeys(score.name for each in evaluations for score in each.scores.scores)
    found = [
        Benchmark(
            name=name,
            bars=[
                Bar(name=each.name, kind="run", score=_score(score))
                for each in evaluations
                for score in each.scores.scores
                if score.name == name and score.score is not None
            ],
        )
        for name in names
    ]
    papers = [row for each in evaluations for row in _paper_rows(each)]
    if len(names) > 1 or papers:
        own = [
            Bar(name=each.name, kind="run", score=score)
            for each in evaluations
            if (score := _mean(each, 1.0)) is not None
        ]
        found.append(Benchmark(name="mean", bars=[*own, *{bar.name: bar for bar in papers}.values()]))
    return [each for each in found if each.bars]


def sizes(evaluations: Sequence[Evaluation], runs: Sequence[RunView]) -> list[SizedScore]:
    """Each evaluated student whose size is known, and the paper's where its suite was asked."""
    known = {
        run.manifests[role].content_digest: num
        for run in runs
        for role in STUDENTS
        if role in run.artifacts and (num := num_parameters(run.artifacts[role])) is not None
    }
    base = {
        entry.digest: known[manifest.content_digest]
        for run in runs
        for manifest in run.manifests.values()
        if manifest.content_digest in known
        for entry in run.inputs
        if entry.role == "student"
    }
    sized = base | known
    found = [
        SizedScore(name=each.name, kind="run", num_parameters=sized[each.student], score=score, suite=each.suite)
        for each in evaluations
        if each.student in sized and (score := _mean(each, 1.0)) is not None
    ]
    suites = {each.suite for each in evaluations if _is_papers(each)}
    return found + [
        SizedScore(
            name=f"paper: {student}, {method}",
            kind="reference",
            num_parameters=PAPER_SIZES[student],
            score=Score(value=float(row[method])),
            suite=suite,
        )
        for suite in sorted(suites)
        for student, row in _paper().items()
        for method in ("base", "ril")
    ]


def picture_use(runs: Sequence[RunView], evaluations: Sequence[Evaluation]) -> list[PictureUse]:
    """Where other pictures were shown: by the last validation that did, and by evaluations."""
    inside = [each for run in runs if (each := _looked(run)) is not None]
    return inside + [_use(each.name, score) for each in evaluations for score in each.scores.scores if score.pictures]


def _validated(run: RunView) -> Accuracy | None:
    points = run.metrics.get("validation/accuracy", [])
    if not points:
        return None
    best = max(points, key=lambda point: point[1])
    first = points[0][0] == 0
    return Accuracy(
        run=run.name,
        source="validation",
        before=_at(run, 0) if first else None,
        after=_at(run, points[-1][0]) if len(points) > 1 or not first else None,
        after_step=points[-1][0],
        best=_at(run, best[0]),
        best_step=best[0],
    )


def _at(run: RunView, step: int) -> Score:
    value, low, high = (dict(run.metrics.get(f"validation/{name}", ())) for name in ("accuracy", "low", "high"))
    return Score(value=value[step], low=low.get(step), high=high.get(step), num_questions=_num_held_out(run))


def _num_held_out(run: RunView) -> int | None:
    """Questions of a validation, where the recipe says how many are held out."""
    asked, drawn = table_of(run).get("num_validation_questions"), table_of(run, "data").get("validation")
    held_out = drawn.get("num_samples") if isinstance(drawn, dict) else None
    return min(asked, held_out) if isinstance(asked, int) and isinstance(held_out, int) else None


def _mean(each: Evaluation, unit: float) -> Score | None:
    """The mean over a suite; its only benchmark's score, with its interval, where it has one."""
    if len(each.scores.scores) == 1 and each.scores.scores[0].score is not None:
        return _score(each.scores.scores[0], unit)
    return None if each.scores.mean is None else Score(value=each.scores.mean * unit)


def _score(score: BenchmarkScore, unit: float = 1.0) -> Score:
    low, high = (None if end is None else end * unit for end in (score.low, score.high))
    return Score(value=(score.score or 0.0) * unit, low=low, high=high, num_questions=score.num_questions)


def _is_papers(each: Evaluation) -> bool:
    return table_of(each.run).get("suite") == PAPER_SUITE


def _paper() -> Mapping[str, Mapping[str, float]]:
    return tomllib.loads((resources.files("rilctl.reporting") / "paper.toml").read_text(encoding="utf-8"))


def _paper_rows(each: Evaluation) -> list[Bar]:
    """The paper's means of the student that the recipe begins with, where its suite was asked."""
    student = table_of(each.run, "student").get("model", "")
    row = _paper().get(str(student), {}) if _is_papers(each) else {}
    return [
        Bar(name=f"paper: {student}, {method}", kind="reference", score=Score(value=float(mean)))
        for method, mean in row.items()
    ]


def _use(name: str, score: BenchmarkScore) -> PictureUse:
    shown = {picture.name: picture for picture in score.pictures}
    return PictureUse(
        name=name,
        benchmark=score.name,
        own=_score(score),
        swapped=_score(shown["swapped"]) if "swapped" in shown else None,
        none=_score(shown["none"]) if "none" in shown else None,
        swapped_gap=_gap(shown["swapped"].gap) if "swapped" in shown else None,
        none_gap=_gap(shown["none"].gap) if "none" in shown else None,
    )


def _gap(gap: Difference | None) -> Score | None:
    if gap is None:
        return None
    return Score(value=gap.estimate, low=gap.low, high=gap.high, num_questions=gap.num_questions)


def _looked(run: RunView) -> PictureUse | None:
    shown = [name for name in ("swapped", "none") if run.metrics.get(f"validation/accuracy_{name}")]
    if not shown:
        return None
    step = run.metrics[f"validation/accuracy_{shown[0]}"][-1][0]

    def value(name: str) -> float | None:
        found = dict(run.metrics.get(f"validation/{name}", ())).get(step)
        return None if found is None else 100 * found

    def score(name: str, low: str, high: str) -> Score | None:
        found = value(name)
        return None if found is None else Score(value=found, low=value(low), high=value(high))

    own = score("accuracy", "low", "high")
    if own is None:
        return None
    return PictureUse(
        name=f"{run.name}, step {step}",
        benchmark="",
        own=own,
        swapped=score("accuracy_swapped", "", ""),
        none=score("accuracy_none", "", ""),
        swapped_gap=score("gap_swapped", "gap_swapped_low", "gap_swapped_high"),
        none_gap=score("gap_none", "gap_none_low", "gap_none_high"),
    )
