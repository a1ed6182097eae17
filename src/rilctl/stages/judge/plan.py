"""The plan of `judge`."""

from itertools import islice
from pathlib import Path

from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.judging.open import describe_judge
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.schemas.manifest import ArtifactKind
from rilctl.stages.judge.inputs import (
    STDIN,
    Images,
    JudgeInput,
    JudgeRow,
    asked,
    find_source,
    judge_config,
    looks,
    read_source,
)
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section
from rilctl.stages.shared.plans.judging import NUM_MEASURED, JudgedTexts, judge_facts
from rilctl.stages.shared.plans.models import planned_student
from rilctl.stages.shared.plans.questions import plan_questions


def plan(context: StageContext) -> Plan:
    """What judging takes; stdin is left alone."""
    config = judge_config(context)
    source, responses = Fact("source", None, note="not there yet: `rilctl cache-teacher` makes it"), None
    if config.source == STDIN:
        source = Fact("source", "JSON Lines on stdin")
    elif (found := _planned_source(context, config)) is not None:
        path, kind = found
        source, responses = Fact("source", str(path), note=kind), read_source(path, kind)
    images = _images(context, config, responses.entry.role if responses is not None else "teacher-cache")
    num_rows = responses.num_rows if responses is not None else None
    calls = judge_facts(config, num_rows, _texts(context, config, responses, images), 1)
    facts = (Fact("judge", describe_judge(config)), source, Fact("responses", num_rows), *calls)
    return Plan("judge", (Section("work", facts), output_section(context)))


def _texts(
    context: StageContext, config: JudgeConfig, responses: JudgeInput | None, images: Images
) -> JudgedTexts | None:
    """What an endpoint will be sent; None where nothing is, or nobody can count it."""
    if not isinstance(config, LlmJudgeConfig) or config.endpoint is None or responses is None:
        return None
    if context.recipe.student is None:
        return None
    encoder = planned_student(context, None, after="sft").encoder
    known = (row for row in responses.rows if isinstance(row, JudgeRow) and (not images or row.sample_id in images))
    rows = list(islice(known, NUM_MEASURED))
    return JudgedTexts(encoder, [row.request(images) for row in rows]) if encoder is not None else None


def _images(context: StageContext, config: JudgeConfig, role: str) -> Images:
    """As `read_images`, of the questions that a plan reads."""
    if not looks(config):
        return {}
    return {sample.id: sample.images for sample in plan_questions(asked(context, role)).samples}


def _planned_source(context: StageContext, config: JudgeConfig) -> tuple[Path, ArtifactKind] | None:
    """What will be judged; None: the recipe's own teacher cache, which isn't there yet."""
    if config.source is None and not context.upstream("cache-teacher").exists():
        return None
    return find_source(context, config)
