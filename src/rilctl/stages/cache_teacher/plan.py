"""The plan of `cache-teacher`."""

from dataclasses import replace

from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.registry import MODELS
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import Usage
from rilctl.planning.disk import rows_bytes
from rilctl.planning.memory import Phase
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.stages.cache_teacher.teachers import find_teachers
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data
from rilctl.stages.shared.plans.closing import output_section, time_section
from rilctl.stages.shared.plans.data import PlannedData, data_section, planned_data
from rilctl.stages.shared.plans.devices import memory_sections, planned_device
from rilctl.stages.shared.plans.models import PlannedModel, planned_model, planned_student
from rilctl.stages.shared.plans.sampling import planned_sampling


def plan(context: StageContext) -> Plan:
    """What asking the teachers takes."""
    config, teachers = context.recipe.cache_teacher or CacheTeacherConfig(), find_teachers(context)
    samples = load_data(context).samples
    as_student = planned_data(samples, _reader(context))
    num_responses = len(samples) * config.num_responses
    sections: list[Section | Table] = [data_section(as_student)]
    device, phases, facts = planned_device(context, config.engine), dict[str, Phase](), list[Fact]()
    total_tokens = 0
    for name, teacher in teachers.items():
        budget = (teacher.sampling or config.sampling).max_new_tokens
        total_tokens += num_responses * budget
        if teacher.endpoint is not None:
            sections.append(_remote(name, teacher, teacher.endpoint, as_student, config.num_responses, budget))
            continue
        model = planned_model(context, _model_config(teacher))
        data = planned_data(samples, model)
        sections.append(_local(name, teacher, model, data, config.num_responses, budget))
        if model.anatomy is not None and data.prompts is not None:
            sampling = planned_sampling(
                config.engine,
                model.anatomy,
                data.prompts,
                device,
                answering=model.frozen,
                beside=None,
                rows=config.engine.rows_per_batch,
                num_responses=config.num_responses,
                budget=budget,
            )
            facts += [replace(fact, name=f"{fact.name}, {name}") for fact in sampling.facts]
            if sampling.phase is not None:
                phases[f"teacher {name}"] = sampling.phase
    if phases:
        sections += memory_sections(device, phases, tuple(facts))
    sections.append(time_section(context, generated=total_tokens))
    disk = rows_bytes(num_responses * len(teachers), total_tokens)
    sections.append(output_section(context, disk, "at most, before compression"))
    return Plan("cache-teacher", tuple(sections))


def _local(
    name: str, teacher: TeacherConfig, model: PlannedModel, data: PlannedData, num_responses: int, budget: int
) -> Section:
    """A teacher that is loaded here: a question's responses share its prompt."""
    registered = MODELS.get(teacher.model)
    about = f"{registered.model}, {registered.about}" if registered else ""
    parameters = Fact("parameters", model.anatomy.parameters if model.anatomy else None, note=model.unknown)
    tokens = sum(data.prompts.tokens) if data.prompts else None
    responses = data.num_questions * num_responses
    return Section(
        f"teacher {name}",
        (
            Fact("model", teacher.model, note=about),
            parameters,
            Fact("responses", responses, note=f"{num_responses} to each question"),
            Fact("prompt tokens", tokens, "tokens", data.unknown or "each question once, for all of its responses"),
            Fact("response tokens", responses * budget, "tokens", f"at most, {budget} each"),
        ),
    )


def _remote(
    name: str, teacher: TeacherConfig, endpoint: EndpointConfig, data: PlannedData, num_responses: int, budget: int
) -> Section:
    """A teacher at an endpoint: every response is a call of its own, its prompt included."""
    calls = data.num_questions * num_responses
    sent, why, cost = None, data.unknown, None
    if data.prompts is not None:
        sent, why = sum(data.prompts.tokens) * num_responses, "as the student counts; the endpoint has its own way"
        cost = cost_of(endpoint, Usage(sent, calls * budget))
    stated = "at most, in the currency of the prices" if cost is not None else "the endpoint's table states no prices"
    return Section(
        f"teacher {name}",
        (
            Fact("model", teacher.model, note=f"at {endpoint.url}"),
            Fact("calls", calls, note="at most: known answers aren't asked for again"),
            Fact("input tokens", sent, "tokens", why),
            Fact("response tokens", calls * budget, "tokens", f"at most, {budget} each"),
            Fact("cost", cost, "cost", stated),
        ),
    )


def _reader(context: StageContext) -> PlannedModel:
    """Who reads the questions, where a teacher can't be asked how it does."""
    if context.recipe.student is None:
        return PlannedModel(ModelConfig(model=""), unknown="the recipe has no [student] that reads them")
    return planned_student(context, None, after="sft")


def _model_config(teacher: TeacherConfig) -> ModelConfig:
    return ModelConfig(model=teacher.model, revision=teacher.revision, dtype=teacher.dtype)
