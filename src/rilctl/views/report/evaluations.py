"""Evaluations that belong to the reported runs: of the student that a run began with, and of the one that it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rilctl.errors import RilctlError
from rilctl.reporting.benchmarks import SuiteScores, from_metrics
from rilctl.schemas.manifest import Manifest
from rilctl.views.report.comparisons import FILE
from rilctl.views.report.overview import table_of
from rilctl.views.runs.find import find_runs
from rilctl.views.runs.view import RunView

STUDENTS = ("student", "best-student")
_COUNT = "/num_questions"


@dataclass(frozen=True)
class Evaluation:
    """One finished run of `eval`.

    Args:
        run: its view.
        manifest: of the evaluation.
        student: digest of the student.
        suite: which questions; two evaluations with the same are comparable.
        scores: of its benchmarks.
    """

    run: RunView
    manifest: Manifest
    student: str
    suite: str
    scores: SuiteScores

    @property
    def name(self) -> str:
        """Of its run."""
        return self.run.name


@dataclass(frozen=True)
class Pair:
    """The two sides of a run.

    Args:
        run: what lies between them.
        before: of the student that it began with.
        after: of the one that it made.
    """

    run: RunView
    before: Evaluation
    after: Evaluation


def evaluations_of(runs: Sequence[RunView]) -> list[Evaluation]:
    """Those among the runs, and those beside them that measured a student of theirs; the runs' own come first.

    One beside them of the student that a run began with counts only where what the run made was measured as well.
    """
    own = [each for run in runs if (each := _evaluation(run)) is not None]
    paths = {each.run.path.resolve() for each in own}
    found = [each for run in _neighbours(runs) if (each := _evaluation(run)) is not None]
    beside = [each for each in found if each.run.path.resolve() not in paths]
    made = {digest for run in runs if run.verb != "eval" for digest in _students_of(run)}
    used = {side.name for pair in pairs_of(runs, [*own, *beside]) for side in (pair.before, pair.after)}
    return own + [each for each in beside if each.student in made or each.name in used]


def pairs_of(runs: Sequence[RunView], evaluations: Sequence[Evaluation]) -> list[Pair]:
    """Each run whose two sides were evaluated with one suite."""
    found = []
    for run in runs:
        start, made = _start_of(run), _students_of(run)
        if run.verb == "eval" or start is None:
            continue
        before = [each for each in evaluations if each.student == start]
        after = [each for digest in made for each in evaluations if each.student == digest]
        both = next(((a, b) for b in after for a in before if a.suite == b.suite and a.student != b.student), None)
        if both is not None:
            found.append(Pair(run, *both))
    return found


def benchmarks_in(manifest: Manifest) -> SuiteScores:
    """Its scores, by the names that its metrics have."""
    names = [key.removesuffix(_COUNT) for key in manifest.metrics if key.endswith(_COUNT)]
    columns: dict[str, str | None] = {name: None for name in names if "/" not in name}
    return from_metrics(manifest.metrics, columns, is_part="score" not in manifest.metrics)


def _evaluation(run: RunView) -> Evaluation | None:
    manifest = run.manifests.get("evaluation")
    if run.verb != "eval" or manifest is None:
        return None
    digests = {entry.role: entry.digest for entry in manifest.inputs}
    suite = f"{table_of(run).get('suite', '')} {digests.get('suite', digests.get('data', ''))}"
    return Evaluation(run, manifest, digests.get("student", ""), suite, benchmarks_in(manifest))


def _start_of(run: RunView) -> str | None:
    return next((entry.digest for entry in run.inputs if entry.role == "student"), None)


def _students_of(run: RunView) -> list[str]:
    return [run.manifests[role].content_digest for role in STUDENTS if role in run.manifests]


def _neighbours(runs: Sequence[RunView]) -> list[RunView]:
    """Runs of `eval` that stand beside the runs, or beside the folders that these are in, or in other arms."""
    folders: dict[Path, None] = {}
    for run in runs:
        if run.verb in ("train", "sft"):
            folders[run.path.resolve().parent] = None
            for comparison in run.path.resolve().parents[2:3]:  # its arms' seeds stand two below
                if (comparison / FILE).is_file():
                    folders[comparison] = None
    found: list[RunView] = []
    for folder in folders:
        try:
            found += [run for run in find_runs(folder) if run.verb == "eval"]
        except (RilctlError, OSError):
            continue
    return found
