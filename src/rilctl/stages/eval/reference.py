"""What a table stands beside: another evaluation, or a row of the paper."""

import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from rilctl.artifacts.read import check_files, read_manifest, resolve
from rilctl.config.suggest import did_you_mean
from rilctl.errors import UsageError
from rilctl.reporting.benchmarks import ReferenceScores, from_metrics
from rilctl.stages.shared.context import StageContext

PAPER = "paper:"
"""`paper:STUDENT:METHOD` names a row of the paper."""
PAPER_SUITE = "14bench"
"""The suite of the paper's means."""
_SHOWN_DIFFERENCES = 3


def read_reference(
    context: StageContext, name: str, suite: str, benchmarks: Sequence[str], scored_with: dict[str, Any]
) -> ReferenceScores:
    """What `--reference` names.

    Args:
        context: the stage's surroundings.
        name: an `evaluation` artifact, or `paper:STUDENT:METHOD`.
        suite: the suite that is evaluated.
        benchmarks: its benchmarks.
        scored_with: the settings of this evaluation, to say where the other's differ.

    Raises:
        UsageError: the paper has no such row, or the suite is another one.
        ArtifactError: no evaluation is there, or it was changed since it was written.
    """
    if name.startswith(PAPER):
        return _from_paper(name, suite)
    path = resolve(context.base_dir / name, "evaluation")
    check_files(path)
    manifest = read_manifest(path)
    scores = from_metrics(manifest.metrics, benchmarks)
    known = {each.name: each.score for each in scores.scores if each.score is not None}
    other = manifest.config.get("scored_with")
    differing = _differing(other if isinstance(other, dict) else {}, scored_with)
    notes = [f"reference: {path}"]
    if differing:
        more = len(differing) - _SHOWN_DIFFERENCES
        shown = ", ".join(differing[:_SHOWN_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"the reference was scored with another {shown}: its scores don't compare")
    return ReferenceScores("reference", known, manifest.metrics.get("score"), tuple(notes))


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


def _differing(other: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """Settings of benchmarks that both have; where the data lay doesn't count."""
    return [key for key in own if key in other and other[key] != own[key] and not key.endswith(".data")]
