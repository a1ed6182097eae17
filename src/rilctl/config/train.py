"""The `[train]` table: Algorithm 2 of the paper and its open choices."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rilctl.config.algorithms import ALGORITHMS, Algorithm, AlgorithmName, RatioLevel, TeacherRows
from rilctl.config.data import OWN_DATA, DataConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig, TorchEngineConfig, TrainingEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    LoraConfig,
    NonNegativeFloat,
    NonNegativeInt,
    OptimConfig,
    OtherPicture,
    PositiveFloat,
    PositiveInt,
    SamplingConfig,
    Share,
    if_not,
)
from rilctl.config.losses import DistillationConfig, TaughtConfig
from rilctl.config.rewards import RewardsConfig
from rilctl.schemas.base import StrictModel


def _own(key: str) -> Any:
    """A field whose default is that of the algorithm's record; the recipe reference has a table of them."""
    return Field(
        default_factory=lambda found: getattr(ALGORITHMS[found["name"]], key), json_schema_extra={"default_of": "name"}
    )


class AlgorithmConfig(StrictModel):
    """Which rewards drive which loss."""

    name: AlgorithmName = "ril"
    """Rewards, advantage and loss: see the table of algorithms."""
    teacher_rows: TeacherRows = _own("teacher_rows")
    """Teacher rows in the group: as the paper, or not at all."""
    ratio_level: RatioLevel = _own("ratio_level")
    """Importance ratio per token or per response."""
    clip_low: Annotated[float, Field(gt=0, le=1)] = _own("clip_low")
    """The importance ratio is clipped below at 1 - `clip_low`; 1: not at all."""
    clip_high: PositiveFloat = _own("clip_high")
    """The importance ratio is clipped above at 1 + `clip_high`."""
    kl_beta: NonNegativeFloat = _own("kl_beta")
    """Weight of the k3 KL to the reference; 0 loads no reference."""
    kl_rows: Literal["student", "all"] = "student"
    """k3 explodes on improbable teacher tokens; the paper takes all rows."""
    policy_updates: PositiveInt = 1
    """Policy updates per batch (mu)."""
    disc_updates: NonNegativeInt = 1
    """Discriminator updates per batch (mu); 0 freezes it."""

    @property
    def record(self) -> Algorithm:
        """What the algorithm of this name is made of; where a key says otherwise, the key holds."""
        return ALGORITHMS[self.name]

    @property
    def uses_discriminator(self) -> bool:
        """Whether a similarity reward is part of the reward."""
        return "similarity" in self.record.rewards

    @property
    def uses_judge(self) -> bool:
        """Whether an answer reward is part of the reward."""
        return "answer" in self.record.rewards

    @property
    def uses_teachers(self) -> bool:
        """Whether cached teacher responses take part, for the policy or for the discriminator."""
        return self.uses_discriminator or self.teacher_rows != "off"

    @property
    def learns_from_rewards(self) -> bool:
        """Whether rewards and advantages are a part of the loss."""
        return "rewards" in self.record.losses

    @property
    def distils(self) -> bool:
        """Whether a teacher's distribution is a part of the loss."""
        return "distillation" in self.record.losses

    @model_validator(mode="after")
    def _no_reference(self) -> "AlgorithmConfig":
        if not self.learns_from_rewards and self.kl_beta > 0:
            raise ValueError(f"`{self.name}` has no KL to a reference: leave `kl_beta` out")
        return self

    @model_validator(mode="after")
    def _no_teacher_rows(self) -> "AlgorithmConfig":
        if self.record.teacher_rows == "off" and self.teacher_rows != "off":
            able = ", ".join(f"`{name}`" for name, record in ALGORITHMS.items() if record.teacher_rows != "off")
            raise ValueError(f"`{self.name}` has no teacher rows: leave `teacher_rows` out or `off`; {able} have them")
        return self


class SamplerCorrectionConfig(StrictModel):
    """`[train.sampler_correction]`: the engine that samples computes slightly other probabilities than the trainer.

    Student tokens are weighted by the ratio of the two, cut where it is large.
    """

    enabled: bool | None = None
    """Absent: for vLLM engines, not for Hugging Face, which samples from the trainer's own weights and kernels."""
    level: Literal["token", "sequence"] = "token"
    """A weight for each token, or for each response the product of its tokens' ratios."""
    mode: Literal["truncate", "mask"] = "truncate"
    """A weight above the cap becomes the cap, or 0."""
    cap: PositiveFloat = 2.0
    """Largest weight."""


class DiscriminatorConfig(StrictModel):
    """`[train.discriminator]`: how the discriminator goes on learning."""

    optim: OptimConfig = OptimConfig(lr=1e-6)
    """Optimizer and schedule."""
    lora: LoraConfig | None = None
    """Train an adapter, with `train.lora` on the policy's frozen weights; absent: all weights, of its own."""
    reward: Annotated[Literal["binary", "graded"], if_not("binary")] = "graded"
    """1 or 0 (paper); or sigmoid(threshold - logit), which doesn't swing once both sides are alike. The threshold is 0,
    with `bradley-terry` the group's median teacher."""


class KeepConfig(StrictModel):
    """`[train.keep]`: what is kept of a run beside its last student."""

    best: Literal["validation/accuracy", "validation/gap_swapped", "validation/gap_none"] = "validation/accuracy"
    """The student of the validation where this was highest is `best-student`."""
    every: PositiveInt | None = None
    """The students of every so many steps, as `student-STEP`; absent: none."""
    training: bool = False
    """The last checkpoint, optimizers and all, under `training/`: `--continue-from` goes on from it."""

    def students_of(self, num_steps: int) -> list[int]:
        """The steps whose students are kept; the last is kept anyway."""
        return [*range(self.every, num_steps, self.every)] if self.every else []


class ProfileConfig(StrictModel):
    """`[train.profile]`: look into some steps with torch's profiler."""

    steps: Annotated[tuple[PositiveInt, ...], EXECUTION, Field(min_length=1)]
    """Steps of which each process writes a trace into `profile/`, and on a GPU what lay in memory."""


class TrainConfig(StrictModel):
    """The RIL loop and its baselines."""

    data: Annotated[DataConfig | None, OWN_DATA] = None
    """Rows of its own, for this verb: without a `type`, the keys in which they differ from `[data]`; with one, a table
    that stands alone. Absent: those of `[data]`."""
    student: Annotated[str | None, EXECUTION] = None
    """A `student` artifact; absent: this recipe's `[sft]` output, else `[student]`."""
    teacher_cache: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache` artifact; absent: this recipe's."""
    discriminator_artifact: Annotated[str | None, EXECUTION] = None
    """A `discriminator` artifact; absent: this recipe's."""
    verdicts: Annotated[str | None, EXECUTION] = None
    """A `verdicts` artifact of the teacher cache, optional: prepays the teachers' answer rewards."""
    algorithm: AlgorithmConfig = AlgorithmConfig()
    """Rewards and loss."""
    rewards: RewardsConfig = RewardsConfig()
    """What each reward weighs, and rewards of your own."""
    continue_from: Annotated[str | None, EXECUTION] = None
    """A finished run of `train` with this recipe and fewer steps, which kept its training: go on after its last."""
    num_steps: PositiveInt = 1000
    """Training steps, those of a run that is continued included."""
    num_tokens: Annotated[PositiveInt | None, IF_SET] = None
    """End with the step in which the policy has learned from so many response tokens, if that is before `num_steps`."""
    match_tokens: Annotated[str | None, EXECUTION] = None
    """A `rollouts` artifact: the same with as many response tokens as its policy learned from, or `num_tokens` if those
    are fewer."""
    questions_per_step: PositiveInt = 24
    """Groups in one step."""
    num_student_rows: PositiveInt = 4
    """Rollouts per question (the paper's G)."""
    num_teacher_rows: NonNegativeInt = 4
    """Cached teacher responses per question, in all; round robin over the teachers."""
    sampling: SamplingConfig = SamplingConfig()
    """How rollouts are sampled."""
    sampler_correction: SamplerCorrectionConfig = SamplerCorrectionConfig()
    """Weights for what another engine sampled."""
    optim: OptimConfig = OptimConfig(lr=1e-6)
    """The policy's optimizer and schedule."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """The discriminator's training."""
    distillation: Annotated[DistillationConfig | None, IF_SET] = None
    """Whose distribution is learned, for algorithms that learn one."""
    sft: Annotated[TaughtConfig | None, IF_SET] = None
    """Responses that are learned by heart beside rewards, for algorithms that do so."""
    lora: LoraConfig | None = None
    """Train an adapter and merge it in the end; absent: all weights."""
    max_missing_verdicts: Share = 0.1
    """Largest share of a step's rows, or of a validation's answers, that may have no verdict."""
    missing_verdicts: Annotated[Literal["stop", "wait"], EXECUTION] = "stop"
    """What happens at more: the step ends the run, or it and validation ask for the missing ones again and again."""
    verdict_wait_s: Annotated[PositiveFloat, EXECUTION] = 600.0
    """Longest such wait; then the step ends the run, and the validation doesn't count."""
    validate_every: PositiveInt = 50
    """Steps between validations on held-out questions; the best student is kept."""
    num_validation_questions: PositiveInt = 256
    """Held-out questions of a validation, greedy decoding."""
    validation_picture: Annotated[tuple[OtherPicture, ...], EXECUTION] = ()
    """Answer them beside another question's picture as well (`swapped`), or beside none: how far the accuracy falls
    says whether the student looks. Each costs as much as the validation itself."""
    keep: Annotated[KeepConfig, Field(exclude_if=lambda keep: keep == KeepConfig())] = KeepConfig()
    """What is kept beside the last student."""
    patience: PositiveInt | None = None
    """So many validations in a row below the best one, intervals and all, end the run; absent: they only warn."""
    checkpoint_every: Annotated[PositiveInt, EXECUTION] = 50
    """Steps between checkpoints."""
    profile: Annotated[ProfileConfig | None, EXECUTION] = None
    """Traces of some steps; absent: none."""
    seed: NonNegativeInt = 0
    """Seed of sampling and order."""
    take_turns: Annotated[bool, EXECUTION] = True
    """On a GPU, of policy and discriminator one waits in host memory, unless they are adapters on shared weights."""
    generation: GenerationEngineConfig = HfEngineConfig()
    """What generates."""
    engine: TrainingEngineConfig = TorchEngineConfig()
    """What trains."""

    @property
    def reward_weights(self) -> dict[str, float]:
        """What is summed to a row's reward: the algorithm's rewards and the recipe's own, by name."""
        weights: dict[str, float] = {name: getattr(self.rewards, name) for name in self.algorithm.record.rewards}
        return weights | {name: reward.weight for name, reward in sorted(self.rewards.own.items())}

    @property
    def taught(self) -> TaughtConfig | None:
        """What is learned by heart beside rewards; None: the algorithm learns nothing so."""
        return (self.sft or TaughtConfig()) if "sft" in self.algorithm.record.losses else None

    @property
    def learns_without_truth(self) -> bool:
        """Whether the policy learns from questions without a ground truth: rewards are left that need none."""
        weights = self.reward_weights
        is_left = any(weight for name, weight in weights.items() if name != "answer")
        return not weights.get("answer") or (is_left and self.rewards.missing_truth == "others")

    @property
    def corrects_sampler(self) -> bool:
        """Whether student tokens are weighted by how the trainer sees what the engine sampled."""
        enabled = self.sampler_correction.enabled
        if not self.algorithm.learns_from_rewards:
            return False
        return self.generation.type != "hf" if enabled is None else enabled

    def validates_after(self, step: int) -> bool:
        """Whether the student is validated after this step, where there are held-out questions."""
        return step % self.validate_every == 0 or step == self.num_steps

    @property
    def num_policy_rows(self) -> int:
        """Rows of each question that the policy learns from."""
        return self.num_student_rows + (self.num_teacher_rows if self.algorithm.teacher_rows != "off" else 0)

    @property
    def may_keep_prompts(self) -> bool:
        """Whether a step's prompts can stay as the rollouts computed them until the policy's update."""
        engine, generation = self.engine, self.generation
        is_here = engine.type == "torch" and generation.type == "hf" and not engine.gradient_checkpointing
        return is_here and self.questions_per_step * self.num_student_rows <= generation.rows_per_batch

    @model_validator(mode="after")
    def _groups(self) -> "TrainConfig":
        if self.algorithm.teacher_rows == "off" and self.algorithm.uses_discriminator and self.num_teacher_rows == 0:
            raise ValueError("the discriminator needs num_teacher_rows > 0, also where the policy learns from none")
        if self.algorithm.uses_teachers and not self.algorithm.uses_discriminator and self.num_teacher_rows == 0:
            raise ValueError(f"`{self.algorithm.name}` learns from teacher rows: num_teacher_rows must be > 0")
        if self.distillation is not None and not self.algorithm.distils:
            raise ValueError(
                f"`{self.algorithm.name}` learns no teacher's distribution: leave [train.distillation] out"
            )
        if self.sft is not None and self.taught is None:
            raise ValueError(f"`{self.algorithm.name}` learns nothing by heart: leave [train.sft] out")
        if self.taught is not None and self.taught.responses == "teacher-cache" and self.verdicts is None:
            raise ValueError('sft.responses = "teacher-cache" learns the right ones: name `verdicts` of the cache')
        if self.keep.best != "validation/accuracy":
            picture = self.keep.best.removeprefix("validation/gap_")
            if picture not in self.validation_picture:
                raise ValueError(f'keep.best needs validation_picture = ["{picture}"], which measures it')
        if self.profile is not None and max(self.profile.steps) > self.num_steps:
            raise ValueError(f"profile.steps names step {max(self.profile.steps)}, and num_steps is {self.num_steps}")
        if self.sampling.temperature == 0:
            raise ValueError("sampling.temperature must be > 0: greedy rollouts of a group are all the same")
        return self

    @model_validator(mode="after")
    def _rewards(self) -> "TrainConfig":
        for name, reward in self.rewards.own.items():
            try:
                reward.check(self.sampling.max_new_tokens)
            except ValueError as error:
                raise ValueError(f"rewards.{name}: {error}") from error
        if not self.algorithm.learns_from_rewards and self.rewards.own:
            raise ValueError(f"`{self.algorithm.name}` learns from no reward: leave [train.rewards] out")
        if self.algorithm.learns_from_rewards and not any(self.reward_weights.values()):
            named = ", ".join(f"`{name}`" for name in self.reward_weights)
            raise ValueError(f"of the rewards that are summed ({named}), one must weigh more than 0")
        return self
