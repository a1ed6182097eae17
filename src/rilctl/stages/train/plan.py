"""The plan of `train`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import LoraConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.config.pretrain_disc import DiscInput, PretrainDiscConfig, sees_pictures
from rilctl.config.train import TrainConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.models.discriminator import read_card
from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.disk import checkpoint_bytes, rows_bytes
from rilctl.planning.memory import Held
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.planning.ril import PlannedRole, RilSetup, beside_sampling, ril_phases
from rilctl.planning.steps import MicroBatches, Prompts, cut_step
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section, time_section
from rilctl.stages.shared.plans.data import data_section, planned_data
from rilctl.stages.shared.plans.devices import PlannedDevice, memory_sections, planned_device
from rilctl.stages.shared.plans.inputs import artifact_fact, planned_artifact
from rilctl.stages.shared.plans.judging import NUM_MEASURED, JudgedTexts, judge_beside, judge_facts
from rilctl.stages.shared.plans.models import (
    PlannedModel,
    parameter_facts,
    planned_student,
    trained_fact,
    trained_parameters,
)
from rilctl.stages.shared.plans.questions import plan_questions
from rilctl.stages.shared.plans.sampling import planned_sampling
from rilctl.stages.shared.plans.training import planned_engine
from rilctl.stages.train.planned_teacher import TeacherPlan, plan_teacher
from rilctl.stages.train.sharing import shares_weights, take_turns


def plan(context: StageContext) -> Plan:
    """What `run` would do, and what it needs."""
    config = context.recipe.train or TrainConfig()
    student = planned_student(context, config.student, after="train")
    questions = plan_questions(context)
    data = planned_data(questions, student)
    work = _Work(config)
    judge = context.recipe.judge or RuleJudgeConfig()
    num_held_out = questions.num_held_out
    validated = _num_validations(config) * min(num_held_out, config.num_validation_questions)
    texts = None
    if student.encoder is not None:
        requests = [JudgeRequest.of(sample, "") for sample in questions.samples[:NUM_MEASURED]]
        texts = JudgedTexts(student.encoder, requests, work.budget)
    judged = [Fact("judge calls", 0, note="none: this algorithm has no answer reward")]
    if config.algorithm.uses_judge:
        judged = judge_facts(judge, work.rows + validated, texts, -(-config.num_steps // config.checkpoint_every))
    teacher = plan_teacher(context, config, student, questions)
    inputs, disc_path = _inputs(context, config, student, teacher)
    rewards = _rewards(config, context.base_dir)
    sections: list[Section | Table] = [
        inputs,
        data_section(data, held_out=num_held_out),
        work.section([*judged, *(teacher.work_facts(config) if teacher is not None else [])]),
        *([rewards] if rewards.facts else []),
        _parameters(config, student, _seen(context, disc_path), teacher),
    ]
    trained = None
    if student.anatomy is not None and data.prompts is not None:
        device = planned_device(context, config.engine)
        setup = _setup(context, config, student, student.anatomy, data.prompts, device, disc_path, teacher)
        stays, unknown = judge_beside(context, judge) if config.algorithm.uses_judge else (Held(), [])
        engine = planned_engine(context, config.engine)
        beside = beside_sampling(setup)
        if isinstance(config.generation, HfEngineConfig):  # needs the policy whole, in the precision of training
            beside = engine.whole(beside, student, student.anatomy)
        ask = partial(
            planned_sampling,
            config.generation,
            student.anatomy,
            data.prompts,
            device,
            answering=setup.answering,
            beside=beside + stays,
            budget=config.sampling.max_new_tokens,
        )
        groups = engine.groups_of_a_rank(config.questions_per_step)
        sampling = ask(rows=groups * config.num_student_rows, num_responses=config.num_student_rows)
        phases = ril_phases(setup, sampling.phase, sampling.stays + stays)
        num_asked = min(num_held_out, config.num_validation_questions)
        if num_asked and isinstance(config.generation, HfEngineConfig):  # a prompt for each of its rows
            validation = ask(rows=engine.groups_of_a_rank(num_asked), num_responses=1).phase
            phases |= {"validation": validation} if validation is not None else {}
        sections += memory_sections(device, phases, (*sampling.facts, *unknown), ranks=engine.ranks)
        trained = work.trained_tokens(data.prompts, setup)
    generated = work.rollout_tokens + validated * work.budget
    sections.append(time_section(context, steps=config.num_steps, generated=generated, trained=trained or 0))
    sections.append(output_section(context, *_disk(config, student, work)))
    return Plan("train", tuple(sections), data.num_rejected)


class _Work:
    """How much of everything a run does, at most."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.teacher_rows = config.num_teacher_rows if config.algorithm.uses_teachers else 0
        self.in_policy = config.num_policy_rows
        self.groups = config.num_steps * config.questions_per_step
        self.rollouts = self.groups * config.num_student_rows
        self.rows_per_group = config.num_student_rows + self.teacher_rows
        self.rows = self.groups * self.rows_per_group
        self.budget = config.sampling.max_new_tokens
        self.taught_steps = config.taught.num_steps(config.num_steps) if config.taught else 0
        self.taught_rows = self.taught_steps * (config.taught.rows_per_step if config.taught else 0)
        self.rollout_tokens = self.rollouts * self.budget

    def section(self, more: Sequence[Fact]) -> Section:
        config = self.config
        rows = f"({config.num_student_rows} student + {self.teacher_rows} teacher rows)"
        return Section(
            "work",
            (
                Fact("algorithm", config.algorithm.name),
                Fact("steps", config.num_steps, note=f"of {config.questions_per_step} questions x {rows}"),
                Fact("rollouts", self.rollouts),
                Fact("rollout tokens", self.rollout_tokens, "tokens", f"at most, {self.budget} each"),
                *self._taught_facts(),
                *more,
            ),
        )

    def _taught_facts(self) -> list[Fact]:
        if self.config.taught is None:
            return []
        whose = "the data's" if self.config.taught.responses == "data" else "the teachers' right ones"
        note = f"{whose}, {self.config.taught.rows_per_step} in each of the first {self.taught_steps} steps"
        return [Fact("rows by heart", self.taught_rows, note=note)]

    def trained_tokens(self, prompts: Prompts, setup: RilSetup) -> int:
        """Tokens through all updates: each group's prompt once, and its rows at their longest."""
        config, budget = self.config, self.config.sampling.max_new_tokens
        algorithm = config.algorithm
        policy = prompts.mean_tokens + self.in_policy * budget
        disc = 0.0
        if setup.disc is not None:
            disc = self.rows_per_group * budget + setup.disc.cut.largest.prompt_tokens
        taught = algorithm.policy_updates * self.taught_rows * (prompts.mean_tokens + budget)
        return round(self.groups * (algorithm.policy_updates * policy + algorithm.disc_updates * disc) + taught)


def _num_validations(config: TrainConfig) -> int:
    """Of a run with held-out questions: before the first step, and after others."""
    return 1 + sum(map(config.validates_after, range(1, config.num_steps + 1)))


def _inputs(
    context: StageContext, config: TrainConfig, student: PlannedModel, teacher: TeacherPlan | None
) -> tuple[Section, Path | None]:
    facts, disc = [student.fact()], None
    if teacher is not None:
        facts.append(teacher.input_fact)
    if config.algorithm.uses_teachers:
        cache = planned_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
        facts.append(artifact_fact("teacher cache", cache, "cache-teacher"))
    if config.algorithm.uses_discriminator:
        if config.discriminator_artifact or context.recipe.pretrain_disc is not None:
            disc = planned_artifact(context, config.discriminator_artifact, "pretrain-disc", "discriminator")
            facts.append(artifact_fact("discriminator", disc, "pretrain-disc"))
        else:
            facts.append(Fact("discriminator", "new", note="untrained: there is no [pretrain-disc] table"))
    if config.algorithm.uses_teachers and config.verdicts:
        verdicts = planned_artifact(context, config.verdicts, "judge", "verdicts")
        facts.append(artifact_fact("verdicts", verdicts, "judge"))
    return Section("inputs", tuple(facts)), disc


def _rewards(config: TrainConfig, base_dir: Path) -> Section:
    """The weight of each; where code computes it, that the file is there, which isn't executed."""
    sources = {name: reward.source(base_dir) for name, reward in config.rewards.own.items()}
    notes = {name: f"computed by {path}" for name, path in sources.items() if path is not None}
    return Section(
        "weights of rewards",
        tuple(Fact(name, weight, note=notes.get(name, "")) for name, weight in config.reward_weights.items()),
    )


def _parameters(config: TrainConfig, student: PlannedModel, seen: DiscInput, teacher: TeacherPlan | None) -> Section:
    facts = parameter_facts(student)
    if teacher is not None:
        facts += [replace(fact, name=f"teacher {fact.name}") for fact in parameter_facts(teacher.model)]
    if student.anatomy is not None:
        facts.append(trained_fact("policy trains", student.anatomy, config.lora))
        if config.algorithm.uses_discriminator:
            facts.append(trained_fact("discriminator trains", student.anatomy, config.discriminator.lora, disc=seen))
    return Section("model", tuple(facts))


def _setup(
    context: StageContext,
    config: TrainConfig,
    student: PlannedModel,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
    disc_path: Path | None,
    teacher: TeacherPlan | None,
) -> RilSetup:
    """Who is where, as `load_roles` places them."""
    algorithm, engine, work = config.algorithm, planned_engine(context, config.engine), _Work(config)
    disc_lora = config.discriminator.lora
    is_new, pretrained = _pretrained(context, config, disc_path)
    shared = shares_weights(config, is_new=is_new, pretrained=pretrained)

    def cut(
        rows: int,
        prompt_tokens: int,
        image_tokens: int,
        *,
        groups: int = config.questions_per_step,
        shared_by_all: bool = False,
    ) -> MicroBatches:
        return cut_step(
            groups=engine.groups_of_a_rank(groups),
            rows=rows,
            row_tokens=work.budget,
            prompt_tokens=prompt_tokens,
            image_tokens=image_tokens,
            patches_per_token=anatomy.patches_per_token,
            budget_tokens=config.engine.tokens_per_micro_batch,
            shared_by_all=shared_by_all,
        )

    policy = PlannedRole(
        engine.trained(student, anatomy, config.lora),
        engine.precision(student, config.lora),
        cut(work.in_policy, prompts.longest, prompts.most_image_tokens),
    )
    disc = taught = None
    if config.taught is not None:
        rows = cut(1, prompts.longest, prompts.most_image_tokens, groups=config.taught.rows_per_step)
        taught = replace(policy, cut=replace(rows, num=rows.num + policy.cut.num))  # which come first
    if algorithm.uses_discriminator:
        seen = _seen(context, disc_path)
        longest, pictures = prompts.longest, prompts.most_image_tokens
        if not sees_pictures(seen):
            longest, pictures = longest - pictures, 0
        disc = PlannedRole(
            engine.trained(student, anatomy, disc_lora, disc=seen, on_shared=shared),
            engine.precision(student, disc_lora),
            cut(work.rows_per_group, longest, pictures, shared_by_all=seen == "response"),
        )
    reference = None
    if algorithm.kl_beta > 0:
        reference = Held() if config.lora else engine.frozen(anatomy.parameters, student.dtype_bytes)
    reads = [policy.precision.weights]
    reads += [disc.precision.weights] if disc is not None and not shared else []
    reads += [student.dtype_bytes] if algorithm.kl_beta > 0 and not config.lora else []
    takes_turns = take_turns(config, device.kind, shared=shared)
    return RilSetup(
        anatomy=anatomy,
        device=device.kind,
        policy=policy,
        disc=disc,
        reference=reference,
        answering=replace(engine.precision(student, config.lora), trains="nothing", recomputes=False),
        paying_rows=1.0 if algorithm.kl_rows == "all" else config.num_student_rows / work.in_policy,
        update=engine.layout(student, device.kind, with_gradient=True),
        forward=engine.layout(student, device.kind, with_gradient=False),
        takes_turns=takes_turns,
        keeps_prompts=config.may_keep_prompts and policy.cut.num == 1 and not takes_turns,
        zero=engine.zero,
        merged=anatomy.adapted_weights(config.lora) if config.lora else 0,
        whole_bytes=engine.whole_bytes(student, anatomy),
        reads=tuple(reads),
        sends=not isinstance(config.generation, HfEngineConfig),
        teacher=teacher.role(config, engine) if teacher is not None else None,
        taught=taught,
    )


def _seen(context: StageContext, disc_path: Path | None) -> DiscInput:
    """What the discriminator sees: what its card says, what `[pretrain-disc]` will write, or the response alone."""
    if disc_path is not None:
        return read_card(disc_path).input
    return (context.recipe.pretrain_disc or PretrainDiscConfig()).input


def _pretrained(context: StageContext, config: TrainConfig, disc_path: Path | None) -> tuple[bool, LoraConfig | None]:
    """Whether the discriminator will be new, and the adapter that it has, or that `[pretrain-disc]` will write."""
    if disc_path is not None:
        return False, read_card(disc_path).lora
    table = context.recipe.pretrain_disc
    return config.discriminator_artifact is None and table is None, table.lora if table is not None else None


def _disk(config: TrainConfig, student: PlannedModel, work: _Work) -> tuple[int | None, str]:
    """Students, discriminator, rollouts and checkpoints."""
    anatomy = student.anatomy
    if anatomy is None:
        return None, ""
    policy = trained_parameters(anatomy, config.lora)
    disc = trained_parameters(anatomy, config.discriminator.lora) if config.algorithm.uses_discriminator else 0
    students = 3 * anatomy.parameters * (student.dtype_bytes if config.lora else 4)
    tokens = work.rows * config.sampling.max_new_tokens
    total = students + 4 * disc + checkpoint_bytes(policy + disc) + rows_bytes(work.rows, tokens)
    return total, "at most, while it runs: checkpoints, best and last student, discriminator, rollouts"
