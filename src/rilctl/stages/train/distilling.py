"""The teacher whose distribution is learned: which it is, and that it has the student's words."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.config.fields import ModelConfig
from rilctl.config.losses import DistillationConfig
from rilctl.config.registry import default_dtype
from rilctl.config.train import TrainConfig
from rilctl.errors import ConfigError
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import check_name, find_source
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.vocabulary import refuse_other_words, sampled_ids
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.stages.shared.context import StageContext


@dataclass(frozen=True)
class DistilledTeacher:
    """As a recipe names it.

    Args:
        name: of its table.
        model: loaded beside the policy; its weights don't train.
    """

    name: str
    model: ModelConfig


@dataclass(frozen=True)
class TeacherRole:
    """The teacher in a run.

    Args:
        vlm: the model.
        prompts: as it reads them; the policy's where both read alike.
    """

    vlm: Vlm
    prompts: KeptPrompts


def name_teacher(context: StageContext, config: TrainConfig) -> DistilledTeacher | None:
    """Which teacher's distribution is learned; None: the algorithm learns none's.

    Raises:
        ConfigError: the recipe doesn't say, or its logits can't be had.
        UsageError: nothing of that name.
    """
    if not config.algorithm.distils:
        return None
    tables = context.recipe.teachers
    wanted = (config.distillation or DistillationConfig()).teacher
    names = ", ".join(f"`{name}`" for name in tables)
    algorithm = config.algorithm.name
    if wanted is None and len(tables) != 1:
        has = f"several: {names}" if tables else "none"
        raise ConfigError(
            f"`{algorithm}` learns from one teacher, and the recipe has {has}",
            hint=f'name one: `train.distillation.teacher = "{next(iter(tables), "NAME")}"`, a [teachers.NAME] table',
        )
    name = wanted if wanted is not None else next(iter(tables))
    if name not in tables:
        raise ConfigError(
            f"train.distillation.teacher: there is no [teachers.{name}] table",
            hint=f"the recipe has {names or 'none'}",
        )
    teacher = tables[name]
    if teacher.endpoint is not None:
        raise ConfigError(
            f"`{algorithm}` needs the teacher's distribution over the whole vocabulary, and `{name}` is at an endpoint",
            hint="name a teacher that is loaded here; of this one, learn cached answers: `ril`, or `sft.responses`",
        )
    check_name(teacher.model, base_dir=context.base_dir, others=tables)
    update = {"dtype": teacher.dtype or default_dtype(teacher.model), "system": teacher.system}
    return DistilledTeacher(name, teacher.loaded_here.model_copy(update=update))


def check_words(context: StageContext, student: ModelConfig, teacher: DistilledTeacher) -> None:
    """See that both have the same words, before any weights are read. Raises as `refuse_other_words` does."""
    own, theirs = (_encoder(context, model) for model in (student, teacher.model))
    refuse_other_words(own, theirs, sampled_ids(own), name=teacher.name)


def check_endings(student: Vlm, teacher: Vlm, name: str) -> None:
    """The same of all that the policy may sample, what ends a response included; that is known once both are loaded."""
    banned = set(student.banned_ids)
    may_be_sampled: Sequence[int] = [at for at in range(len(student.lm_head.weight)) if at not in banned]
    refuse_other_words(student, teacher, may_be_sampled, name=name)


def _encoder(context: StageContext, model: ModelConfig) -> Encoder:
    source = find_source(model, base_dir=context.base_dir, reads_weights=False)
    return Encoder(load_processor(source), source)
