"""`sft`: the warm start. Learn the data set's responses or the teachers', or prefer them to the student's own."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.runs import Run
from rilctl.config.fields import ModelConfig, semantic_config
from rilctl.config.sft import SftConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.models.loaded.vlm import Vlm, save_vlm
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.sft.inputs import find_rows
from rilctl.stages.sft.lessons import ByHeart, Lesson, Prefer
from rilctl.stages.sft.loop import Trainer
from rilctl.stages.sft.own_responses import snapshot, with_own_responses
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import (
    data_entry,
    find_student,
    load_data,
    present,
    up_to_date,
)
from rilctl.stages.shared.learning import open_reference, open_trained
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import join_ranks, open_ranked_run
from rilctl.stages.shared.token_budget import token_budget


def run(context: StageContext) -> StageResult:
    """Train and write the student."""
    with join_ranks(context, _config(context).engine) as ranks:
        return _run(context, _config(context), ranks)


def _run(context: StageContext, config: SftConfig, ranks: Ranks) -> StageResult:
    student, student_entry = find_student(context, config.student, after="sft")
    validation = load_data(context, "validation")
    found = find_rows(context, config, validation.samples)
    inputs = [student_entry, *found.entries, *([data_entry(validation, "validation")] if validation.samples else [])]
    budget_tokens, matched = token_budget(context, config.num_tokens, config.match_tokens)
    inputs += matched
    semantic: dict[str, JsonValue] = {"sft": semantic_config(config), "student": semantic_config(student)}
    roles: dict[str, ArtifactKind] = {"student": "student"}
    if config.preference is not None and found.samples_own:
        roles["responses"] = "responses"
        semantic["sampling"] = semantic_config(snapshot(context, config, config.preference).sampling)
    with open_ranked_run(context, ranks, verb="sft", semantic=semantic, inputs=inputs, roles=roles) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
        found, outputs = with_own_responses(context, config, student, found, artifact_run, ranks)
        vlm, prompts = open_trained(
            context,
            "sft",
            student,
            config.engine,
            config.lora,
            artifact_run.inputs,
            ranks,
            adapter="student",
            seed=config.seed,
        )
        lesson, beside = _lesson(context, config, student, vlm, ranks)
        questions = [sample for sample in validation.samples if sample.has_truth][: config.num_validation_questions]
        trainer = Trainer(context, config, vlm, found, lesson, budget_tokens, prompts, ranks, questions, beside)
        metrics = trainer.train(artifact_run)
        rejected = (*found.rejected, *trainer.rejected.values())
        with phase("sft", "writing"), vlm.sharding.whole(), ranks.together():
            if ranks.is_main:
                role = "student" if found.samples_own else None
                outputs = {"student": _write_student(artifact_run, vlm, rejected, metrics, role)} | outputs
                artifact_run.clear_resume()
    return StageResult(outputs, num_rejected=len(rejected), summary=dict(metrics))


def _lesson(
    context: StageContext, config: SftConfig, student: ModelConfig, vlm: Vlm, ranks: Ranks
) -> tuple[Lesson, list[Vlm]]:
    """What is done with a unit, and the frozen models that this needs. Collective."""
    if config.preference is None:
        return ByHeart(vlm, context.reporter.warn), []
    if not config.preference.record.uses_reference:
        return Prefer(vlm, None, config.preference), []
    with phase("sft", "loading"):
        reference = open_reference(context, student, config.engine, vlm, ranks)
    return Prefer(vlm, reference, config.preference), [reference]


def _config(context: StageContext) -> SftConfig:
    return context.recipe.sft or SftConfig()


def _write_student(
    artifact_run: Run, vlm: Vlm, rejected: Sequence[RejectedRecord], metrics: dict[str, float], role: str | None
) -> ArtifactSummary:
    writer = artifact_run.writer("student", role=role)
    staging: Path = writer.staging()
    save_vlm(vlm, staging)
    writer.write_rejected(rejected)
    return writer.commit(metrics=present(dict(metrics)))
