"""The plan of `cache-teacher`."""

from dataclasses import dataclass, replace

from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.registry import MODELS
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import Usage
from rilctl.planning.disk import rows_bytes
from rilctl.planning.memory import Phase
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.stages.cache_teacher.batch_files import batch_folder, batched, read_results
from rilctl.stages.cache_teacher.imports import Imports, read_imports
from rilctl.stages.cache_teacher.teachers import (
    cache_teacher_config,
    find_teachers,
    teacher_requests,
    teacher_sampling,
)
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section, time_section
from rilctl.stages.shared.plans.data import PlannedData, data_section, planned_data
from rilctl.stages.shared.plans.devices import memory_sections, planned_device
from rilctl.stages.shared.plans.models import PlannedModel, planned_model, planned_student
from rilctl.stages.shared.plans.questions import Questions, plan_questions
from rilctl.stages.shared.plans.sampling import planned_sampling


@dataclass(frozen=True)
class _Asked:
    """What one teacher is asked.

    Args:
        numbers: responses to each question that was read: those that aren't imported.
        responses: to all questions.
        budget: tokens of a response, at most.
        note: how the number of all of them came about.
    """

    numbers: tuple[int, ...]
    responses: int
    budget: int
    note: str

    @property
    def tokens(self) -> int:
        """Of all responses, at most."""
        return self.responses * self.budget

    def facts(self, name: str, prompt_tokens: Fact) -> tuple[Fact, ...]:
        """How many responses, and their tokens, beside those of the prompts."""
        budget = Fact("response tokens", self.tokens, "tokens", f"at most, {self.budget} each")
        return Fact(name, self.responses, note=self.note), prompt_tokens, budget


def plan(context: StageContext) -> Plan:
    """What asking the teachers takes, or writing files of what they would be asked."""
    config, teachers = cache_teacher_config(context), find_teachers(context)
    questions = plan_questions(context)
    samples, is_whole = questions.samples, questions.drawn is None and questions.stated is None
    imports = read_imports(context, config, set(teachers), {sample.id for sample in samples} if is_whole else None)
    read_results(context, config, teachers)
    as_student = planned_data(questions, _reader(context))
    num_rows = questions.num * config.num_responses * len(teachers)
    if config.write_batch is not None:
        teachers = batched(teachers)
    sections: list[Section | Table] = [data_section(as_student)]
    device, phases, facts = planned_device(context, config.engine), dict[str, Phase](), list[Fact]()
    total_tokens = 0
    for name, teacher in teachers.items():
        asked = _asked(config, name, teacher, questions, imports)
        total_tokens += asked.tokens
        if teacher.endpoint is not None:
            sections.append(_remote(name, teacher, teacher.endpoint, as_student, asked))
            continue
        to_ask = [sample for sample, number in zip(samples, asked.numbers, strict=True) if number]
        model = planned_model(context, teacher.loaded_here)
        data = planned_data(questions.only(to_ask), model)
        sections.append(_local(name, teacher, model, data, asked))
        if model.anatomy is not None and data.prompts is not None:
            sampling = planned_sampling(
                config.engine,
                model.anatomy,
                data.prompts,
                device,
                answering=model.frozen,
                beside=None,
                rows=data.num_questions * config.num_responses,
                num_responses=config.num_responses,
                budget=asked.budget,
            )
            facts += [replace(fact, name=f"{fact.name}, {name}") for fact in sampling.facts]
            if sampling.phase is not None:
                phases[f"teacher {name}"] = sampling.phase
    if config.write_batch is not None:
        return Plan("cache-teacher", (*sections, output_section(replace(context, out=batch_folder(context, config)))))
    if phases:
        sections += memory_sections(device, phases, tuple(facts))
    sections.append(time_section(context, generated=total_tokens))
    imported = sum(len(text.encode()) for texts in imports.values() for text in texts[: config.num_responses])
    disk = rows_bytes(num_rows, total_tokens) + imported
    sections.append(output_section(context, disk, "at most, before compression"))
    return Plan("cache-teacher", tuple(sections), questions.num_rejected)


def _asked(
    config: CacheTeacherConfig, name: str, teacher: TeacherConfig, questions: Questions, imports: Imports
) -> _Asked:
    samples = questions.samples
    numbers = tuple(len(request.seeds) for request in teacher_requests(config, name, samples, imports, teacher.system))
    budget = teacher_sampling(config, teacher).max_new_tokens
    if config.read_batches and teacher.endpoint is not None:
        return _Asked((0,) * len(numbers), 0, budget, "none: batch files have the answers")
    responses = questions.all_of(sum(numbers))
    imported = questions.num * config.num_responses - responses
    note = f"{config.num_responses} to each question" + (f", but for {imported:,} imported ones" if imported else "")
    if teacher.endpoint is not None:
        note = f"at most, {note}: known answers aren't asked for again"
    return _Asked(numbers, responses, budget, note)


def _local(name: str, teacher: TeacherConfig, model: PlannedModel, data: PlannedData, asked: _Asked) -> Section:
    """A teacher that is loaded here: a question's responses share its prompt."""
    registered = MODELS.get(teacher.model)
    about = f"{registered.model}, {registered.about}" if registered else ""
    parameters = Fact("parameters", model.anatomy.parameters if model.anatomy else None, note=model.unknown)
    tokens = data.prompt_tokens if data.prompts or data.num_questions else 0
    why = data.unknown if tokens is None else "each question once, for all of its responses"
    prompts = Fact("prompt tokens", tokens, "tokens", why)
    return Section(
        f"teacher {name}", (Fact("model", teacher.model, note=about), parameters, *asked.facts("responses", prompts))
    )


def _remote(name: str, teacher: TeacherConfig, endpoint: EndpointConfig, data: PlannedData, asked: _Asked) -> Section:
    """A teacher at an endpoint: every response is a call of its own, its prompt included."""
    sent, why, cost = None, data.unknown, None
    if data.sizes:
        sent = sum(size.tokens * num for size, num in zip(data.sizes, asked.numbers, strict=True) if size is not None)
        sent = data.questions.all_of(sent)
        why = "as the student counts; the endpoint has its own way"
        cost = cost_of(endpoint, Usage(sent, asked.tokens))
    stated = "at most, in the currency of the prices" if cost is not None else "the endpoint's table states no prices"
    return Section(
        f"teacher {name}",
        (
            Fact("model", teacher.model, note=f"at {endpoint.url}"),
            *asked.facts("calls", Fact("input tokens", sent, "tokens", why)),
            Fact("cost", cost, "cost", stated),
        ),
    )


def _reader(context: StageContext) -> PlannedModel:
    """Who reads the questions, where a teacher can't be asked how it does."""
    if context.recipe.student is None:
        return PlannedModel(ModelConfig(model=""), unknown="the recipe has no [student] that reads them")
    return planned_student(context, None, after="sft")
