"""The teacher whose distribution is learned, in the plan of `train`."""

from dataclasses import dataclass

from rilctl.config.train import TrainConfig
from rilctl.models.loaded.vocabulary import refuse_other_words, sampled_ids
from rilctl.planning.plan import Fact
from rilctl.planning.ril import PlannedTeacher
from rilctl.planning.steps import cut_step
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.data import PlannedData, planned_data
from rilctl.stages.shared.plans.models import PlannedModel, planned_model
from rilctl.stages.shared.plans.questions import Questions
from rilctl.stages.shared.plans.training import PlannedEngine
from rilctl.stages.train.distilling import name_teacher


@dataclass(frozen=True)
class TeacherPlan:
    """What is known of it.

    Args:
        name: of its table.
        model: which it is.
        data: the questions as it reads them.
    """

    name: str
    model: PlannedModel
    data: PlannedData

    @property
    def input_fact(self) -> Fact:
        """Which it is."""
        return self.model.fact(f"teacher {self.name}")

    def work_facts(self, config: TrainConfig) -> list[Fact]:
        """The tokens that it reads, at most, and what that takes beside what the student does."""
        if self.data.prompts is None:
            return [Fact("teacher tokens", None, "tokens", self.data.unknown)]
        a_group = self.data.prompts.mean_tokens + config.num_student_rows * config.sampling.max_new_tokens
        groups = config.num_steps * config.questions_per_step * config.algorithm.policy_updates
        tokens = round(groups * a_group)
        facts = [Fact("teacher tokens", tokens, "tokens", "at most, that it reads: prompts once, and all rollouts")]
        if self.model.anatomy is not None:
            operations = 2 * self.model.anatomy.parameters * tokens
            facts.append(Fact("teacher operations", operations, note="floating-point: 2 for each weight and token"))
        return facts

    def role(self, config: TrainConfig, engine: PlannedEngine) -> PlannedTeacher | None:
        """It on a device; None: its sizes aren't known."""
        anatomy, prompts = self.model.anatomy, self.data.prompts
        if anatomy is None or prompts is None:
            return None
        cut = cut_step(
            groups=engine.groups_of_a_rank(config.questions_per_step),
            rows=config.num_student_rows,
            row_tokens=config.sampling.max_new_tokens,
            prompt_tokens=prompts.longest,
            image_tokens=prompts.most_image_tokens,
            patches_per_token=anatomy.patches_per_token,
            budget_tokens=config.engine.tokens_per_micro_batch,
        )
        held = engine.frozen(anatomy.parameters, self.model.dtype_bytes)
        return PlannedTeacher(anatomy, held, self.model.frozen, cut)


def plan_teacher(
    context: StageContext, config: TrainConfig, student: PlannedModel, questions: Questions
) -> TeacherPlan | None:
    """What can be known without a download; None: nobody's distribution is learned.

    Raises:
        ConfigError, UsageError: as `name_teacher`.
        ModelError: it has other words than the student.
    """
    teacher = name_teacher(context, config)
    if teacher is None:
        return None
    model = planned_model(context, teacher.model)
    if student.encoder is not None and model.encoder is not None:
        refuse_other_words(student.encoder, model.encoder, sampled_ids(student.encoder), name=teacher.name)
    return TeacherPlan(teacher.name, model, planned_data(questions, model))
