"""The plan of `judge`."""

from pathlib import Path

from rilctl.artifacts.read import read_manifest
from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig, RuleJudgeConfig
from rilctl.engines.judging.open import describe_judge
from rilctl.models.loaded.processor import Encoder
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.schemas.manifest import ArtifactKind
from rilctl.stages.judge.inputs import STDIN, find_source
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data
from rilctl.stages.shared.plans.closing import output_section
from rilctl.stages.shared.plans.data import PlannedData, planned_data
from rilctl.stages.shared.plans.judging import judge_facts
from rilctl.stages.shared.plans.models import planned_student


def plan(context: StageContext) -> Plan:
    """What judging takes; stdin is left alone."""
    config = context.recipe.judge or RuleJudgeConfig()
    num_rows: int | None = None
    if config.source == STDIN:
        source = Fact("source", "JSON Lines on stdin")
    elif (found := _planned_source(context, config)) is not None:
        path, kind = found
        source, num_rows = Fact("source", str(path), note=kind), read_manifest(path).num_rows or 0
    else:
        source = Fact("source", None, note="not there yet: `rilctl cache-teacher` makes it")
    budget = (context.recipe.cache_teacher or CacheTeacherConfig()).sampling.max_new_tokens
    calls = judge_facts(config, num_rows, budget, *_reader(context, config))
    facts = (Fact("judge", describe_judge(config)), source, Fact("responses", num_rows), *calls)
    return Plan("judge", (Section("work", facts), output_section(context)))


def _reader(context: StageContext, config: JudgeConfig) -> tuple[Encoder | None, PlannedData | None]:
    """Who counts the tokens of what an endpoint is sent; nobody where nothing is sent or the recipe can't say."""
    if not isinstance(config, LlmJudgeConfig) or config.endpoint is None:
        return None, None
    if context.recipe.student is None or context.recipe.data is None:
        return None, None
    student = planned_student(context, None, after="sft")
    return student.encoder, planned_data(load_data(context).samples, student)


def _planned_source(context: StageContext, config: JudgeConfig) -> tuple[Path, ArtifactKind] | None:
    """What will be judged; None: the recipe's own teacher cache, which isn't there yet."""
    if config.source is None and not context.upstream("cache-teacher").exists():
        return None
    return find_source(context, config)
