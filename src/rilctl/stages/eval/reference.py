"""What a table stands beside: another evaluation, or a row of the paper."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from rilctl.artifacts.read import check_files, read_manifest, read_rows, resolve
from rilctl.config.evaluation import EvalConfig
from rilctl.config.suggest import did_you_mean
from rilctl.config.suite import Suite
from rilctl.errors import UsageError
from rilctl.reporting.benchmarks import ReferenceScores, SuiteScores, from_metrics
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.eval.pairing import differences
from rilctl.stages.shared.context import StageContext

PAPER = "paper:"
"""`paper:STUDENT:METHOD` names a row of the paper."""
PAPER_SUITE = "14bench"
"""The suite of the paper's means."""
_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class Reference:
    """What `--reference` names, read whole.

    Args:
        scores: as the table shows them.
        records: its questions; none of the paper's.
        scored_with: the settings that it was scored with.
    """

    scores: ReferenceScores
    records: tuple[EvaluationRecord, ...] = ()
    scored_with: Mapping[str, Any] = field(default_factory=dict)


def read_reference(context: StageContext, config: EvalConfig, suite: Suite) -> Reference | None:
    """What `--reference` names; None where it names nothing. Read before anything is asked.

    Raises:
        UsageError: the paper has no such row, or the suite is another one.
        ArtifactError: no evaluation is there, or it was changed since it was written.
    """
    if (name := config.reference) is None:
        return None
    if name.startswith(PAPER):
        return Reference(_from_paper(name, suite.name))
    path = resolve(context.base_dir / name, "evaluation")
    check_files(path)
    manifest = read_manifest(path)
    scores = from_metrics(manifest.metrics, suite.columns)
    known = {each.name: each.score for each in scores.scores if each.score is not None}
    if not known:
        raise UsageError(
            f"the reference `{path}` has no score of {', '.join(suite.columns)}",
            hint=f"`rilctl artifacts show {path}` lists what it has; name an evaluation of suite `{suite.name}`",
        )
    records = tuple(row for row in read_rows(path, EvaluationRecord) if row.picture is None)
    scored_with = manifest.config.get("scored_with")
    notes = (f"reference: {path}",)
    return Reference(
        ReferenceScores("reference", known, manifest.metrics.get("score"), notes),
        records,
        scored_with if isinstance(scored_with, dict) else {},
    )


def compared(
    reference: Reference,
    suite: Suite,
    scores: SuiteScores,
    records: Iterable[EvaluationRecord],
    settings: Mapping[str, str],
    confidence: float,
) -> ReferenceScores:
    """The reference beside an evaluation, question by question where both sides' are known.

    Args:
        reference: what was read.
        suite: what was evaluated.
        scores: of this evaluation.
        records: its questions.
        settings: what it was scored with, to say where the reference's differs.
        confidence: of the intervals.
    """
    known = {each.name: each.score for each in scores.scores if each.score is not None}
    both_scores = known, reference.scores.scores
    paired = differences(suite, records, reference.records, both_scores, confidence) if reference.records else {}
    notes = list(reference.scores.notes)
    if differing := _differing(reference.scored_with, settings):
        more = len(differing) - _SHOWN_DIFFERENCES
        shown = ", ".join(differing[:_SHOWN_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"the reference was scored with another {shown}: its scores don't compare")
    unpaired = [name for name in known if name in reference.scores.scores and name not in paired]
    if reference.records and unpaired:
        notes.append(f"no question of {', '.join(unpaired)} can be paired with the reference's: no interval")
    return replace(reference.scores, notes=tuple(notes), differences=paired)


def _from_paper(name: str, suite: str) -> ReferenceScores:
    rows = tomllib.loads((resources.files("rilctl.reporting") / "paper.toml").read_text())
    known = {f"{PAPER}{student}:{method}": mean for student, row in rows.items() for method, mean in row.items()}
    if name not in known:
        raise UsageError(
            f"the paper has no row `{name}`{did_you_mean(name, list(known))}",
            hint=f"students: {', '.join(rows)}; methods: {', '.join(next(iter(rows.values())))}",
        )
    if suite != PAPER_SUITE:
        raise UsageError(f"the paper's rows are of suite `{PAPER_SUITE}`, not `{suite}`", hint="name an evaluation")
    note = f"{name}: the paper prints means over the 14 benchmarks; its evaluation settings are its own"
    return ReferenceScores("paper", {}, float(known[name]), (note,))


def _differing(other: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Settings of benchmarks that both have; where the data lay doesn't count."""
    return [key for key in own if key in other and other[key] != own[key] and not key.endswith(".data")]
