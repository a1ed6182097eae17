"""Tables of `[train]` for the parts of a loss that learn from something else than rewards."""

from typing import Literal

from rilctl.config.fields import PositiveInt, Share
from rilctl.schemas.base import StrictModel


class DistillationConfig(StrictModel):
    """`[train.distillation]`: whose distribution `on_policy_distillation` learns."""

    teacher: str | None = None
    """Name of a `[teachers.NAME]` table without `endpoint`; absent: the only one. It is loaded beside the policy."""


class TaughtConfig(StrictModel):
    """`[train.sft]`: the responses that `ril_sft` learns by heart, and until when.

    In step s of n the loss is `w L_sft + (1 - w) L_rewards` with `w = 1 - (s - 1) / (until n)`, and 0 from then on.
    """

    responses: Literal["data", "teacher-cache"] = "data"
    """Learn the data set's responses, or those of the cached teachers' that `train.verdicts` calls right."""
    rows_per_step: PositiveInt = 64
    """Rows that are learned in a step."""
    until: Share = 0.5
    """Share of the steps over which their weight falls evenly from 1 to 0, as that of the rewards rises from 0 to 1."""

    def weight(self, step: int, num_steps: int) -> float:
        """Of this part of the loss; that of the rewards is what is left of 1.

        Args:
            step: counted from 1.
            num_steps: of the run.
        """
        return max(0.0, 1 - (step - 1) / (self.until * num_steps)) if self.until else 0.0

    def num_steps(self, of: int) -> int:
        """How many of so many steps have a weight above 0."""
        return sum(self.weight(step, of) > 0 for step in range(1, of + 1))
