"""The plan of `pretrain-disc`."""

from rilctl.config.pretrain_disc import PretrainDiscConfig, sees_pictures
from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.disk import checkpoint_bytes, rows_bytes
from rilctl.planning.memory import Phase, update_phase
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.planning.steps import Prompts, cut_step
from rilctl.stages.pretrain_disc.run import snapshot
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section, time_section
from rilctl.stages.shared.plans.data import data_section, planned_data
from rilctl.stages.shared.plans.devices import PlannedDevice, memory_sections, planned_device
from rilctl.stages.shared.plans.inputs import artifact_fact, planned_artifact
from rilctl.stages.shared.plans.models import (
    PlannedModel,
    parameter_facts,
    planned_student,
    trained_fact,
    trained_parameters,
)
from rilctl.stages.shared.plans.questions import plan_questions
from rilctl.stages.shared.plans.sampling import planned_snapshot
from rilctl.stages.shared.plans.training import planned_engine


def plan(context: StageContext) -> Plan:
    """What `run` would do, and what it needs."""
    config = context.recipe.pretrain_disc or PretrainDiscConfig()
    student = planned_student(context, config.student, after="pretrain-disc")
    cache = planned_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
    data = planned_data(plan_questions(context), student)
    sampled = 0 if config.responses else data.num_questions * config.num_responses
    pairs = round(data.num_questions * config.num_responses * (1 - config.held_out_share))
    steps = config.steps_for(pairs, config.pairs_per_step)
    budget = config.sampling.max_new_tokens
    sections: list[Section | Table] = [
        Section("inputs", (student.fact(), artifact_fact("teacher cache", cache, "cache-teacher"))),
        data_section(data),
        Section(
            "work",
            (
                Fact("student responses", sampled, note=config.responses or "sampled here"),
                Fact("sampled tokens", sampled * budget, "tokens", f"at most, {budget} each"),
                Fact("steps", steps, note=f"of {config.rows_per_step} rows, half of them students'"),
                Fact("discriminator sees", config.input),
                *([Fact("discriminator is asked", config.prompt)] if config.prompt is not None else []),
                Fact("loss", config.loss),
            ),
        ),
        _parameters(config, student),
    ]
    if student.anatomy is not None and data.prompts is not None:
        device = planned_device(context, config.engine)
        phases, facts = _phases(context, config, student, student.anatomy, data.prompts, device)
        sections += memory_sections(device, phases, facts, ranks=planned_engine(context, config.engine).ranks)
    trained = steps * config.rows_per_step * budget
    sections.append(time_section(context, steps=steps, generated=sampled * budget, trained=trained))
    sections.append(output_section(context, *_disk(config, student, sampled)))
    return Plan("pretrain-disc", tuple(sections), data.num_rejected)


def _phases(
    context: StageContext,
    config: PretrainDiscConfig,
    student: PlannedModel,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
) -> tuple[dict[str, Phase], tuple[Fact, ...]]:
    """The student answers, and leaves; then the discriminator learns."""
    phases, facts = dict[str, Phase](), tuple[Fact, ...]()
    budget = config.sampling.max_new_tokens
    engine = planned_engine(context, config.engine)
    if not config.responses:
        sampling = planned_snapshot(snapshot(config), engine, student, anatomy, prompts, device)
        facts = sampling.facts
        if sampling.phase is not None:
            phases["sampling"] = sampling.phase
    pictures = prompts.most_image_tokens if sees_pictures(config.input) else 0
    held = engine.trained(student, anatomy, config.lora, disc=config.input)
    precision = engine.precision(student, config.lora)
    cut = cut_step(
        groups=engine.groups_of_a_rank(config.pairs_per_step),
        rows=2,
        row_tokens=budget,
        prompt_tokens=prompts.longest - prompts.most_image_tokens + pictures,
        image_tokens=pictures,
        patches_per_token=anatomy.patches_per_token,
        budget_tokens=config.engine.tokens_per_micro_batch,
        shared_by_all=config.input == "response",
    )
    update = update_phase(
        anatomy,
        held.idle,
        held,
        cut.largest,
        precision,
        engine.layout(student, device.kind, with_gradient=True),
        num_micro_batches=cut.num,
        logits=0,
    )
    written, step = 0 if config.lora else anatomy.parameters, {"discriminator update": update}
    phases |= engine.around(student, anatomy, held, precision, device.kind, step, written=written)
    return phases, facts


def _parameters(config: PretrainDiscConfig, student: PlannedModel) -> Section:
    facts = parameter_facts(student)
    if student.anatomy is not None:
        facts.append(trained_fact("discriminator trains", student.anatomy, config.lora, disc=config.input))
    return Section("model", tuple(facts))


def _disk(config: PretrainDiscConfig, student: PlannedModel, sampled: int) -> tuple[int | None, str]:
    if student.anatomy is None:
        return None, ""
    trained = trained_parameters(student.anatomy, config.lora, disc=config.input)
    rows = rows_bytes(sampled, sampled * config.sampling.max_new_tokens)
    return 4 * trained + checkpoint_bytes(trained) + rows, "at most, while it runs: weights, two checkpoints, responses"
