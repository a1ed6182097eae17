"""The `[sft]` table."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rilctl.config.data import OWN_DATA, DataConfig
from rilctl.config.engines import TorchEngineConfig, TrainingEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    DurationMixin,
    LoraConfig,
    NonNegativeInt,
    OptimConfig,
    OtherPicture,
    PositiveInt,
    Share,
)
from rilctl.config.preference import PreferenceConfig

Keep = Literal["all", "right", "best"]


class SftConfig(DurationMixin):
    """Warm start: supervised fine-tuning on ground truth or on teachers' answers."""

    data: Annotated[DataConfig | None, OWN_DATA] = None
    """Rows of its own, for this verb: without a `type`, the keys in which they differ from `[data]`; with one, a table
    that stands alone. Absent: those of `[data]`."""
    responses: Literal["data", "teacher-cache"] = "data"
    """Learn the data set's responses, or the cached teachers' (sequence-level distillation)."""
    student: Annotated[str | None, EXECUTION] = None
    """A `student` artifact to start from; absent: `[student]`."""
    teacher_cache: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache` artifact; absent: this recipe's, where `responses` asks for one."""
    keep: Annotated[Keep, Field(exclude_if=lambda value: value == "all")] = "all"
    """Of the teachers' responses: all, those judged right, or of each question one of those judged right."""
    difficulty: Annotated[tuple[Share, Share] | None, IF_SET] = None
    """Learn only questions of which a share of the teachers' responses from the first number to the second is right;
    absent: all."""
    verdicts: Annotated[str | None, EXECUTION] = None
    """A `verdicts` artifact of the teacher cache; absent: this recipe's, where `keep` or `difficulty` asks for one."""
    match_tokens: Annotated[str | None, EXECUTION] = None
    """A `rollouts` artifact: train on as many response tokens as its policy did, whatever steps or epochs say."""
    num_tokens: Annotated[PositiveInt | None, IF_SET] = None
    """Train on so many response tokens, whatever steps or epochs say; with `match_tokens` the fewer of the two."""
    whole_conversations: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    """Learn all answers of a conversation in one pass, where `responses` are the data's: what they share is computed
    once. `rows_per_step` then counts conversations, and so do epochs."""
    preference: Annotated[PreferenceConfig | None, IF_SET] = None
    """Prefer each of those responses to the student's own, a pair a row; absent: learn them by heart."""
    rows_per_step: PositiveInt = 64
    """Rows in one optimizer step."""
    optim: OptimConfig = OptimConfig(lr=1e-5, lr_end=1e-6)
    """Optimizer and schedule."""
    lora: LoraConfig | None = None
    """Train an adapter and merge it in the end; absent: all weights."""
    max_response_tokens: PositiveInt = 1024
    """Longer responses are rejected, not cut."""
    validate_every: Annotated[PositiveInt, EXECUTION] = 100
    """Steps between validations."""
    num_validation_questions: Annotated[NonNegativeInt, EXECUTION] = 256
    """Held-out questions that a validation answers, greedy decoding, and rules judge; 0: the loss alone."""
    validation_picture: Annotated[tuple[OtherPicture, ...], EXECUTION] = ()
    """Answer them beside another question's picture as well (`swapped`), or beside none: how far the accuracy falls
    says whether the student looks. Each costs as much as answering them once."""
    checkpoint_every: Annotated[PositiveInt, EXECUTION] = 100
    """Steps between checkpoints."""
    seed: NonNegativeInt = 0
    """Seed of the order of rows."""
    engine: TrainingEngineConfig = TorchEngineConfig()
    """What trains."""

    @property
    def uses_verdicts(self) -> bool:
        """Whether it matters which of the teachers' responses are right."""
        return self.keep != "all" or self.difficulty is not None

    @model_validator(mode="after")
    def _of_teachers(self) -> "SftConfig":
        if self.uses_verdicts and self.responses != "teacher-cache":
            key = "keep" if self.keep != "all" else "difficulty"
            raise ValueError(f'{key} needs responses = "teacher-cache": there are no verdicts on the data\'s own')
        if self.difficulty is not None and self.difficulty[0] > self.difficulty[1]:
            raise ValueError(f"difficulty goes from {self.difficulty[0]} to {self.difficulty[1]}: the lower end first")
        return self

    @model_validator(mode="after")
    def _of_the_data(self) -> "SftConfig":
        if self.whole_conversations and self.responses != "data":
            raise ValueError('whole_conversations needs responses = "data": a teacher answers each question by itself')
        if self.whole_conversations and self.preference is not None:
            raise ValueError(
                "whole_conversations and preference don't go together: a pair has two answers to one prompt"
            )
        return self
