"""The `[arm]` table of an overlay: one way to make a student, for `rilctl compare`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rilctl.config.fields import EXECUTION
from rilctl.schemas.base import StrictModel

ArmVerb = Literal["sft", "pretrain-disc", "train"]
"""Verbs that make an arm's student; what comes before them is shared by all arms."""


class ArmConfig(StrictModel):
    """What `rilctl compare` is to do with a file that is laid over the recipe; no verb reads it."""

    about: Annotated[str, EXECUTION, Field(min_length=1)]
    """One line for a person."""
    verbs: Annotated[tuple[ArmVerb, ...], EXECUTION]
    """What makes this arm's student from the shared teacher cache, verdicts and student, in order; the last verb but
    `pretrain-disc` writes it. Empty: the shared student as it is."""
    own_length: Annotated[bool, EXECUTION] = False
    """It trains as long as the recipe says, whatever the other arms learn from; a budget holds for it as well."""

    @model_validator(mode="after")
    def _makes_a_student(self) -> "ArmConfig":
        if len(set(self.verbs)) < len(self.verbs):
            raise ValueError("verbs names one twice")
        if self.verbs and self.verbs[-1] == "pretrain-disc":
            raise ValueError("verbs must end in `sft` or `train`: `pretrain-disc` makes no student")
        return self
