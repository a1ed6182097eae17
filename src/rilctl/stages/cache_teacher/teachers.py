"""The teachers of a recipe: which they are, what each is asked, and what answers for them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.fields import SamplingConfig
from rilctl.config.registry import default_dtype
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.endpoints.secrets import read_key
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.openai import open_endpoint
from rilctl.errors import ConfigError
from rilctl.models.loaded.source import check_name
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.cache_teacher.imports import Imports
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, model_entry
from rilctl.stages.shared.pulse import Pulse


def cache_teacher_config(context: StageContext) -> CacheTeacherConfig:
    """The recipe's `[cache-teacher]` table, or its defaults."""
    return context.recipe.cache_teacher or CacheTeacherConfig()


def find_teachers(context: StageContext) -> dict[str, TeacherConfig]:
    """The teachers to ask: `[teachers.NAME]` tables, else built-in names, directories and hub ids as they stand."""
    tables = context.recipe.teachers
    names = cache_teacher_config(context).teachers or tuple(tables)
    if not names:
        raise ConfigError(
            "no teacher is named", hint="use `--teachers qwen72b,internvl78b`, or a [teachers.NAME] table in the recipe"
        )
    found: dict[str, TeacherConfig] = {}
    for name in names:
        if name not in tables:
            check_name(name, base_dir=context.base_dir, others=tables)
        teacher = tables.get(name) or TeacherConfig(model=name)
        if teacher.endpoint is None:
            teacher = teacher.model_copy(update={"dtype": teacher.dtype or default_dtype(teacher.model)})
        found[name] = teacher
    return found


def teacher_entry(context: StageContext, name: str, teacher: TeacherConfig) -> InputEntry:
    """Lineage of a teacher."""
    if teacher.endpoint is None:
        return model_entry(context, f"teacher:{name}", teacher.loaded_here)
    return endpoint_entry(context, f"teacher:{name}", teacher.model, teacher.endpoint)


def teacher_sampling(config: CacheTeacherConfig, teacher: TeacherConfig) -> SamplingConfig:
    """How a teacher is sampled: as its own table says, else as all are."""
    return teacher.sampling or config.sampling


def teacher_requests(
    config: CacheTeacherConfig, name: str, samples: Sequence[Sample], imports: Imports, system: str | None
) -> list[GenerationRequest]:
    """One request for each question, with a seed for each response that isn't imported."""
    return [
        GenerationRequest(
            sample.id,
            sample.conversation.led_by(system),
            tuple(
                row_seed(config.seed, sample.id, index)
                for index in range(len(imports.get((name, sample.id), ())), config.num_responses)
            ),
        )
        for sample in samples
    ]


def check_keys(context: StageContext, teachers: dict[str, TeacherConfig]) -> None:
    """Raise `CredentialError` if a key isn't there, before anything is asked."""
    for teacher in teachers.values():
        if teacher.endpoint is not None:
            read_key(teacher.endpoint, context.base_dir)


@contextmanager
def opened_teacher(context: StageContext, name: str, teacher: TeacherConfig) -> Iterator[GenerationEngine]:
    """What answers for a teacher, closed afterwards; what an endpoint was asked is said, also if it ends early."""
    warn, check_stop = context.reporter.warn, context.check_stop
    if teacher.endpoint is None:
        engine = cache_teacher_config(context).engine
        local = open_generation(
            teacher.loaded_here,
            engine,
            context.base_dir,
            warn=warn,
            check_stop=check_stop,
            between_tokens=Pulse(context),
        )
        with closing(local):
            yield local
        return
    role = f"the teacher `{name}`"
    remote = open_endpoint(
        teacher.model, teacher.endpoint, context.base_dir, role=role, warn=warn, check_stop=check_stop
    )
    with closing(remote):
        try:
            yield remote
        finally:
            if remote.ledger.num_calls:
                context.reporter.say(f"teacher {name}, this time: {remote.ledger.line(teacher.endpoint)}")
