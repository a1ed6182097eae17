"""The plan of `sft`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.data import SizeConfig
from rilctl.config.sft import SftConfig
from rilctl.models.prompts.encode import encode_responses
from rilctl.planning.disk import checkpoint_bytes
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.stages.sft.inputs import kept_of_teachers
from rilctl.stages.sft.keeping import Kept
from rilctl.stages.sft.plan_memory import sft_phases
from rilctl.stages.sft.plan_own import planned_own
from rilctl.stages.sft.rows import SftRow, data_rows, fits, to_units
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section, time_section
from rilctl.stages.shared.plans.data import data_section, planned_data
from rilctl.stages.shared.plans.devices import memory_sections, planned_device
from rilctl.stages.shared.plans.inputs import artifact_fact, planned_artifact
from rilctl.stages.shared.plans.models import (
    PlannedModel,
    parameter_facts,
    planned_student,
    trained_fact,
    trained_parameters,
)
from rilctl.stages.shared.plans.questions import Questions, plan_questions
from rilctl.stages.shared.plans.sampling import planned_snapshot
from rilctl.stages.shared.plans.training import planned_engine

_AT_ONCE = 1000
"""Responses whose tokens are in memory together."""


def plan(context: StageContext) -> Plan:
    """What `run` would do, and what it needs."""
    config = context.recipe.sft or SftConfig()
    student = planned_student(context, config.student, after="sft")
    questions = plan_questions(context)
    data = planned_data(questions, student)
    facts, cache = [student.fact()], None
    if config.responses == "teacher-cache":
        cache = planned_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
        facts.append(artifact_fact("teacher cache", cache, "cache-teacher"))
    verdicts = None
    if config.uses_verdicts:
        verdicts = planned_artifact(context, config.verdicts, "judge", "verdicts")
        facts.append(artifact_fact("verdicts", verdicts, "judge"))
    num_rows, rows, kept = _responses(context, config, questions, cache, verdicts)
    num_units = num_rows
    if config.whole_conversations and rows:
        num_units = questions.all_of(len(to_units(rows, whole_conversations=True)))
    own = planned_own(context, config, questions, rows)
    if own.pairs:
        num_units, rows = questions.all_of(len(own.pairs)), [row for pair in own.pairs for row in pair]
    steps = config.steps_for(num_units, config.rows_per_step)
    response_tokens = _lengths(student, rows, config.max_response_tokens, questions.stated)
    if own.sampled is not None and response_tokens:
        response_tokens.append(own.sampled.sampling.max_new_tokens)
    longest = max(response_tokens, default=0) if questions.stated is None else config.max_response_tokens
    facts += own.inputs
    sections: list[Section | Table] = [
        Section("inputs", tuple(facts)),
        data_section(data, held_out=questions.num_held_out),
        _work(config, num_rows, kept, own.work, steps, response_tokens, longest),
        _parameters(config, student),
    ]
    trained = 0
    if data.prompts is not None and response_tokens:
        rows_each = 1 if config.preference is None else 2
        mean = data.prompts.mean_tokens + rows_each * sum(response_tokens) / len(response_tokens)
        trained = round(steps * config.rows_per_step * mean)
    if student.anatomy is not None and data.prompts is not None and response_tokens:
        device = planned_device(context, config.engine)
        engine = planned_engine(context, config.engine)
        phases = sft_phases(config, engine, student, student.anatomy, data.prompts, device, longest)
        facts_of_sampling: tuple[Fact, ...] = ()
        if own.sampled is not None:
            sampling = planned_snapshot(own.sampled, engine, student, student.anatomy, data.prompts, device)
            facts_of_sampling = sampling.facts
            if sampling.phase is not None:
                phases = {"sampling": sampling.phase} | phases
        sections += memory_sections(device, phases, facts_of_sampling, ranks=engine.ranks)
    generated = own.num_sampled * own.sampled.sampling.max_new_tokens if own.sampled is not None else 0
    sections.append(time_section(context, steps=steps, generated=generated, trained=trained))
    sections.append(output_section(context, *_disk(config, student)))
    return Plan("sft", tuple(sections), data.num_rejected)


def _responses(
    context: StageContext, config: SftConfig, questions: Questions, cache: Path | None, verdicts: Path | None
) -> tuple[int, Sequence[SftRow], Kept | None]:
    """How many rows there will be in all, those that are known already, and which of the teachers' they are."""
    samples = questions.samples
    if config.responses == "data":
        rows = data_rows(samples)
        return questions.num if questions.stated else questions.all_of(len(rows)), rows, None
    if cache is None or questions.stated is not None:
        asked = context.recipe.cache_teacher or CacheTeacherConfig()
        num_teachers = len(asked.teachers or context.recipe.teachers)
        each = 1 if config.keep == "best" else num_teachers * asked.num_responses
        return questions.num * each, [], None
    if config.uses_verdicts and verdicts is None:  # those that are learned are among these
        config = config.model_copy(update={"keep": "all", "difficulty": None})
        rows = kept_of_teachers(context, config, cache, None, samples)[0].rows
        return questions.all_of(len(rows)), rows, None
    kept = kept_of_teachers(context, config, cache, verdicts, samples)[0]
    left_out = {reason: questions.all_of(num) for reason, num in kept.left_out.items()}
    return questions.all_of(len(kept.rows)), kept.rows, replace(kept, left_out=left_out)


def _lengths(student: PlannedModel, rows: Sequence[SftRow], budget: int, stated: SizeConfig | None) -> list[int]:
    """Tokens of each response that is learned; where none is known yet, the stated mean, or the longest allowed."""
    if stated is not None and stated.response_tokens is not None:
        return [min(stated.response_tokens, budget)]
    if not rows:
        return [budget]
    if student.encoder is None:
        return []
    lengths: list[int] = []
    for start in range(0, len(rows), _AT_ONCE):
        some = [(row.text, row.stopped) for row in rows[start : start + _AT_ONCE]]
        lengths += map(len, encode_responses(student.encoder, some))
    return [length for length in lengths if fits(length, budget)]


def _work(
    config: SftConfig,
    num_rows: int,
    kept: Kept | None,
    more: Sequence[Fact],
    steps: int,
    response_tokens: Sequence[int],
    longest: int,
) -> Section:
    unknown = config.uses_verdicts and kept is None
    note = f"from {config.responses}" + (", at most: it isn't known yet which are right" if unknown else "")
    facts = [Fact("rows", num_rows, note=note)]
    if kept is not None:
        facts += [Fact(f"left out {reason}", num) for reason, num in kept.left_out.items()]
    facts += more
    if config.match_tokens is not None or config.num_tokens is not None:
        stated = [] if config.num_tokens is None else [f"{config.num_tokens:,} response tokens"]
        matched = [] if config.match_tokens is None else [f"the response tokens of {config.match_tokens}"]
        facts.append(Fact("steps", None, note=f"as many as it takes for {', or at most for '.join(stated + matched)}"))
    else:
        facts.append(
            Fact("steps", steps, note=f"of {config.rows_per_step} {'rows' if config.preference is None else 'pairs'}")
        )
    if response_tokens:
        mean = sum(response_tokens) / len(response_tokens)
        facts.append(Fact("longest response", longest, "tokens", f"{mean:,.0f} on average"))
    return Section("work", tuple(facts))


def _parameters(config: SftConfig, student: PlannedModel) -> Section:
    facts = parameter_facts(student)
    if student.anatomy is not None:
        facts.append(trained_fact("trained", student.anatomy, config.lora))
    return Section("model", tuple(facts))


def _disk(config: SftConfig, student: PlannedModel) -> tuple[int | None, str]:
    if student.anatomy is None:
        return None, ""
    trained = trained_parameters(student.anatomy, config.lora)
    weights = student.anatomy.parameters * (student.dtype_bytes if config.lora else 4)
    return weights + checkpoint_bytes(trained), "at most, while it runs: the student and two checkpoints"
