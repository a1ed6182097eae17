"""The student's own responses, which others are preferred to: found, or sampled before the first step."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import resolve
from rilctl.artifacts.runs import Run
from rilctl.config.fields import ModelConfig
from rilctl.config.preference import PreferenceConfig
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.config.sft import SftConfig
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.sft.pairs import own_rows, pair_up
from rilctl.stages.sft.rows import SftInputs, SftRow, counted
from rilctl.stages.shared.cached_responses import open_responses, own_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.student_responses import Snapshot, sample_student


def with_own_responses(
    context: StageContext, config: SftConfig, student: ModelConfig, found: SftInputs, artifact_run: Run, ranks: Ranks
) -> tuple[SftInputs, dict[str, ArtifactSummary]]:
    """Rows as pairs with the student's own, where the recipe wants them. Collective.

    Returns:
        What is learned, and the artifact of the responses that were sampled here.

    Raises:
        RilctlError: as `read_own`, `pair_up` and `sample_student` do.
    """
    wanted, outputs = config.preference, dict[str, ArtifactSummary]()
    if wanted is None:
        return found, outputs
    asked, rejected = {row.sample_id for unit in found.units for row in unit}, found.rejected
    samples = [sample for sample in found.samples if sample.id in asked]
    if found.own is not None:
        with ranks.together():
            own = read_own(context, *found.own, samples)
    else:
        with ranks.together():
            artifact_run.refuse_mixture(resumes=not (artifact_run.path / "student" / MANIFEST).exists())
        with phase("sft", "rollouts"):
            said = sample_student(context, snapshot(context, config, wanted), student, samples, (), artifact_run, ranks)
        outputs, rejected = said.outputs, (*rejected, *said.rejected)
        with ranks.together():
            own = own_rows(samples, said.responses)
    with ranks.together():
        pairs, left_out = pair_up([row for unit in found.units for row in unit], own)
    context.reporter.say(f"pairs: {len(pairs):,}" + "".join(f", {num:,} {why}" for why, num in left_out.items()))
    counts = {**found.counts, **counted(len(pairs), left_out)}
    return replace(found, units=pairs, held_out=[], rejected=rejected, counts=counts), outputs


def snapshot(context: StageContext, config: SftConfig, wanted: PreferenceConfig) -> Snapshot:
    """How the student is asked for its own responses."""
    sampling = wanted.sampling or (context.recipe.pretrain_disc or PretrainDiscConfig()).sampling
    return Snapshot(wanted.num_responses, sampling, config.seed, wanted.generation)


def find_own(context: StageContext, named: str) -> tuple[Path, ArtifactKind]:
    """The artifact that holds the student's own responses. Raises `ArtifactError` where there is none."""
    path = context.base_dir / named
    kind: ArtifactKind = "responses"
    try:
        found = resolve(path, kind)
    except ArtifactError as error:
        kind = "rollouts"
        try:
            found = resolve(path, kind)
        except ArtifactError:
            raise error from None
    context.reporter.say(f"{kind}: {found}")
    return found, kind


def read_own(
    context: StageContext, path: Path, kind: ArtifactKind, samples: Sequence[Sample]
) -> dict[str, list[SftRow]]:
    """The student's own responses to the questions, by sample id, in the artifact's order.

    Raises:
        ArtifactError: it is unusable, or has none; a question or its pictures aren't those that were answered.
    """
    if kind == "responses":
        return own_rows(samples, open_responses(context, path, samples))
    return own_rows(samples, own_responses(path, samples, RolloutRecord))
