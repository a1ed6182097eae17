"""What a training run is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rilctl.artifacts.digests import sha256_file
from rilctl.artifacts.read import input_entry, resolve
from rilctl.config.fields import ModelConfig
from rilctl.config.rewards import RewardsConfig
from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample, SampleSet
from rilctl.errors import ArtifactError, DataError
from rilctl.models.loaded.vlm import Vlm
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.cached_responses import open_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import (
    data_entry,
    find_artifact,
    load_data,
    model_entry,
    name_student,
    weights_entry,
)
from rilctl.stages.shared.known_verdicts import known_verdicts
from rilctl.stages.shared.other_judge import name_other_judge
from rilctl.stages.train.distilling import DistilledTeacher, check_words, name_teacher
from rilctl.stages.train.teacher_rows import TeacherRows


@dataclass(frozen=True)
class TrainInputs:
    """What a run is made from.

    `samples` are the data's questions that can be asked.
    """

    student: ModelConfig
    data: SampleSet
    samples: Sequence[Sample]
    validation: SampleSet
    teacher_cache: Path | None
    discriminator: Path | None
    verdicts: Path | None
    teacher: DistilledTeacher | None = None


def find_inputs(context: StageContext, config: TrainConfig) -> TrainInputs:
    """Find every input and say which it is; nothing is downloaded yet. Raises what the finders raise."""
    student = name_student(context, config.student, after="train")
    data, validation = load_data(context), load_data(context, "validation")
    samples = _learnable(context, config, data)
    cache = disc = verdicts = None
    if config.algorithm.uses_teachers:
        cache = find_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
        if config.verdicts:
            verdicts = resolve(context.base_dir / config.verdicts, "verdicts")
    has_pretrained = config.discriminator_artifact or context.recipe.pretrain_disc is not None
    if config.algorithm.uses_discriminator and has_pretrained:
        disc = find_artifact(context, config.discriminator_artifact, "pretrain-disc", "discriminator")
    teacher = name_teacher(context, config)
    if teacher is not None:
        check_words(context, student, teacher)
    return TrainInputs(student, data, samples, validation, cache, disc, verdicts, teacher)


def _learnable(context: StageContext, config: TrainConfig, data: SampleSet) -> Sequence[Sample]:
    """The questions from which something can be learned. Raises `DataError` where there are none."""
    if config.learns_without_truth:
        return data.samples
    found = tuple(sample for sample in data.samples if sample.has_truth)
    hint = '`train.rewards.missing_truth = "others"` learns from the other rewards, where the algorithm has any'
    if not found:
        raise DataError(f"no question of {data.name} has a ground truth, which the answer reward needs", hint=hint)
    if num_left_out := len(data.samples) - len(found):
        context.reporter.warn(f"left out: {num_left_out:,} questions without a ground truth; {hint}")
    return found


def input_entries(context: StageContext, inputs: TrainInputs) -> list[InputEntry]:
    """Their lineage; all bytes of weights are checked. Raises as `model_entry` does."""
    entries = [model_entry(context, "student", inputs.student), data_entry(inputs.data)]
    if inputs.validation.samples:
        entries.append(data_entry(inputs.validation, "validation"))
    if inputs.teacher_cache:
        entries.append(input_entry("teacher-cache", inputs.teacher_cache))
    if inputs.discriminator:
        entries.append(weights_entry("discriminator", inputs.discriminator))
    if inputs.verdicts:
        entries.append(input_entry("verdicts", inputs.verdicts))
    if inputs.teacher:
        entries.append(model_entry(context, f"teacher:{inputs.teacher.name}", inputs.teacher.model))
    return entries


def reward_entries(config: RewardsConfig, base_dir: Path) -> list[InputEntry]:
    """Lineage of the files that rewards are written in; none is executed. Raises `ConfigError` where one is missing."""
    sources = {name: reward.source(base_dir) for name, reward in config.own.items()}
    return [
        InputEntry(role=f"reward:{name}", kind="code", name=str(path), digest=sha256_file(path))
        for name, path in sources.items()
        if path is not None
    ]


def prepaid_verdicts(context: StageContext, path: Path | None) -> Mapping[str, bool]:
    """Verdicts that are there already, by response digest; those of another judge than the recipe's are named."""
    if path is None:
        return {}
    name_other_judge(context, path)
    return known_verdicts(context, path)


def teacher_rows(
    context: StageContext, config: TrainConfig, inputs: TrainInputs, vlm: Vlm
) -> tuple[TeacherRows | None, Sequence[Sample]]:
    """Cached teacher responses as rows, where the algorithm has them; the questions that can then be asked.

    Raises:
        ArtifactError: no cached response fits the token budget.
    """
    samples = inputs.samples
    if inputs.teacher_cache is None:
        return None, samples
    responses = open_responses(context, inputs.teacher_cache, samples)
    budget = config.sampling.max_new_tokens
    teachers = TeacherRows(vlm, responses, max_tokens=budget, seed=config.seed)
    names = [sample.id for sample in samples]
    found = teachers.answered(names)
    if not found:
        raise ArtifactError(
            f"no cached teacher response fits `sampling.max_new_tokens` = {budget}",
            hint="raise `train.sampling.max_new_tokens`",
        )
    num_too_long, is_exact = teachers.num_too_long(names)
    if num_too_long:
        left_out = f"{'' if is_exact else 'about '}{num_too_long:,} of the teachers' responses"
        context.reporter.warn(f"left out: {left_out}, of over {budget:,} tokens (`train.sampling.max_new_tokens`)")
    answered = tuple(sample for sample in samples if sample.id in found)
    if len(answered) < len(samples):
        context.reporter.warn(f"left out: questions without a teacher's response: {len(samples) - len(answered):,}")
    return teachers, answered
