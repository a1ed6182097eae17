"""`sft`: the warm start. Learn the data set's responses, or the teachers' (sequence-level distillation)."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.read import input_entry, read_rows, resolve
from rilctl.artifacts.runs import Run
from rilctl.config.fields import semantic_config
from rilctl.config.sft import SftConfig
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ConfigError
from rilctl.models.loaded.vlm import Vlm, save_vlm
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary, InputEntry
from rilctl.schemas.records import RejectedRecord, RolloutRecord
from rilctl.stages.sft.loop import Trainer
from rilctl.stages.sft.rows import SftRow, data_rows, teacher_rows
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import (
    data_entry,
    find_artifact,
    find_student,
    load_data,
    present,
    read_responses,
    up_to_date,
)
from rilctl.stages.shared.learning import open_trained
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import join_ranks, open_ranked_run


def run(context: StageContext) -> StageResult:
    """Train and write the student."""
    with join_ranks(context, _config(context).engine) as ranks:
        return _run(context, _config(context), ranks)


def _run(context: StageContext, config: SftConfig, ranks: Ranks) -> StageResult:
    student, student_entry = find_student(context, config.student, after="sft")
    validation = load_data(context, "validation")
    rows, held_out, inputs, rejected = _rows(context, config, validation.samples)
    inputs = [student_entry, *inputs, *([data_entry(validation, "validation")] if validation.samples else [])]
    budget_tokens = None
    if config.match_tokens is not None:
        rollouts = resolve(context.base_dir / config.match_tokens, "rollouts")
        inputs.append(input_entry("match-tokens", rollouts))
        budget_tokens = sum(len(row.token_ids) for row in read_rows(rollouts, RolloutRecord) if row.in_policy)
        context.reporter.say(f"budget: {budget_tokens:,} response tokens, as many as in {rollouts}")
    semantic: dict[str, JsonValue] = {"sft": semantic_config(config), "student": semantic_config(student)}
    roles: dict[str, ArtifactKind] = {"student": "student"}
    with open_ranked_run(context, ranks, verb="sft", semantic=semantic, inputs=inputs, roles=roles) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
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
        questions = validation.samples[: config.num_validation_questions]
        trainer = Trainer(context, config, vlm, rows, held_out, budget_tokens, prompts, ranks, questions)
        metrics = trainer.train(artifact_run)
        rejected = (*rejected, *trainer.rejected.values())
        outputs: dict[str, ArtifactSummary] = {}
        with phase("sft", "writing"), vlm.sharding.whole(), ranks.together():
            if ranks.is_main:
                outputs["student"] = _write_student(artifact_run, vlm, rejected, metrics)
                artifact_run.clear_resume()
    return StageResult(outputs, num_rejected=len(rejected), summary=dict(metrics))


def _config(context: StageContext) -> SftConfig:
    return context.recipe.sft or SftConfig()


def _rows(
    context: StageContext, config: SftConfig, validation: Sequence[Sample]
) -> tuple[list[SftRow], list[SftRow], list[InputEntry], tuple[RejectedRecord, ...]]:
    """The rows to learn, held-out ones of the same kind, their lineage, and the bad rows of the data set."""
    data = load_data(context)
    if config.responses == "data":
        return data_rows(data.samples), data_rows(validation, held_out=True), [data_entry(data)], data.rejected
    path = find_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
    responses = read_responses(context, path, (*data.samples, *validation))
    rows, held_out = teacher_rows(data.samples, responses), teacher_rows(validation, responses, held_out=True)
    if not rows:
        raise ConfigError(f"{path} has no usable response", hint="cache the teachers' answers again")
    return rows, held_out, [data_entry(data), input_entry("teacher-cache", path)], data.rejected


def _write_student(
    artifact_run: Run, vlm: Vlm, rejected: Sequence[RejectedRecord], metrics: dict[str, float]
) -> ArtifactSummary:
    writer = artifact_run.writer("student")
    staging: Path = writer.staging()
    save_vlm(vlm, staging)
    writer.write_rejected(rejected)
    return writer.commit(metrics=present(dict(metrics)))
