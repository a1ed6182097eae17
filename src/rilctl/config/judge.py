"""The `[judge]` table."""

from typing import Annotated, Literal

from rilctl.config.fields import EXECUTION, NonNegativeFloat, Share
from rilctl.schemas.base import StrictModel


class RuleJudgeConfig(StrictModel):
    """Exact, numeric, multiple-choice and set answers, by rules."""

    type: Literal["rule"] = "rule"
    source: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache`, `responses` or `rollouts` artifact, or `-` (JSON Lines on stdin); absent: the cache."""
    numeric_tolerance: NonNegativeFloat = 0.0
    """Relative difference within which two numbers are equal."""
    max_rejected_share: Annotated[Share, EXECUTION] = 0.05
    """A larger share of responses without a verdict, and the next verb refuses the artifact."""


JudgeConfig = RuleJudgeConfig
"""Who says what is right; a table without `type` means rules."""
