"""The `[pretrain-disc]` table."""

from typing import Annotated, Literal

from rilctl.config.data import OWN_DATA, DataConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig, TorchEngineConfig, TrainingEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    DurationMixin,
    LoraConfig,
    NonNegativeInt,
    OptimConfig,
    PositiveInt,
    SamplingConfig,
    Share,
    Words,
)

DiscInput = Literal["response", "question+response", "image+question+response"]
DiscLossName = Literal["bce", "bradley-terry"]


def sees_pictures(disc_input: DiscInput) -> bool:
    """Whether pictures are part of a discriminator's prompts."""
    return disc_input == "image+question+response"


class PretrainDiscConfig(DurationMixin):
    """Teach the discriminator who said what, before the loop."""

    data: Annotated[DataConfig | None, OWN_DATA] = None
    """Rows of its own, for this verb: without a `type`, the keys in which they differ from `[data]`; with one, a table
    that stands alone. Absent: those of `[data]`."""
    student: Annotated[str | None, EXECUTION] = None
    """A `student` artifact; absent: this recipe's `[sft]` output, else `[student]`."""
    teacher_cache: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache` artifact; absent: this recipe's."""
    responses: Annotated[str | None, EXECUTION] = None
    """A `responses` artifact of the student; absent: sampled here."""
    input: DiscInput = "response"
    """What the discriminator sees; the paper's is the response alone."""
    prompt: Annotated[Words | None, IF_SET] = None
    """What the discriminator is asked: a user turn before the response, below the question where it sees one. Absent:
    nothing, which is an empty user turn where it sees the response alone. Kept with its weights, so `train` asks it."""
    loss: DiscLossName = "bce"
    """The paper's cross-entropy, or Bradley-Terry within a group."""
    num_responses: PositiveInt = 16
    """Student responses sampled for each question."""
    sampling: SamplingConfig = SamplingConfig()
    """How they are sampled."""
    rows_per_step: PositiveInt = 64
    """Rows in one optimizer step, half of them students'."""
    held_out_share: Share = 0.1
    """Share of the questions kept for the report."""
    optim: OptimConfig = OptimConfig(lr=1e-5, lr_end=1e-6)
    """Optimizer and schedule."""
    lora: LoraConfig | None = None
    """Train and write an adapter on the student's weights; absent: a copy with all weights."""
    checkpoint_every: Annotated[PositiveInt, EXECUTION] = 100
    """Steps between checkpoints."""
    seed: NonNegativeInt = 0
    """Seed of sampling, split and order."""
    generation: GenerationEngineConfig = HfEngineConfig()
    """What generates."""
    engine: TrainingEngineConfig = TorchEngineConfig()
    """What trains."""

    @property
    def pairs_per_step(self) -> int:
        """A student's and a teacher's row are a pair."""
        return max(1, self.rows_per_step // 2)
