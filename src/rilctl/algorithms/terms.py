"""What a policy's loss is made of beside the policy's log-probabilities, as one value.

Shapes: N rows, R response tokens, T real tokens.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Terms:
    """Of some rows.

    Args:
        frozen_NR: log-probabilities before the batch's first update; None: this is that update.
        ref_NR: of the reference; None: no KL.
        sampling_NR: as the engine sampled them, not read in teacher rows; None: they need no correction.
        advantages_N: higher is better.
        mask_NR: True at real tokens.
        teacher_N: True for a teacher's.
        rewarded_N: True where there is a reward.
    """

    frozen_NR: Tensor | None
    ref_NR: Tensor | None
    sampling_NR: Tensor | None
    advantages_N: Tensor
    mask_NR: Tensor
    teacher_N: Tensor
    rewarded_N: Tensor

    def tokens(self) -> "Terms":
        """Each of the T real tokens as a row of its own."""

        def of_tokens(values_NR: Tensor | None) -> Tensor | None:
            return None if values_NR is None else values_NR[self.mask_NR][:, None]

        row_of_token_T = self.mask_NR.nonzero()[:, 0]
        return Terms(
            of_tokens(self.frozen_NR),
            of_tokens(self.ref_NR),
            of_tokens(self.sampling_NR),
            self.advantages_N[row_of_token_T],
            torch.ones_like(row_of_token_T, dtype=torch.bool)[:, None],
            self.teacher_N[row_of_token_T],
            self.rewarded_N[row_of_token_T],
        )

    def of(self, rows: slice) -> "Terms":
        """Those of some of the rows; asks the device for nothing."""
        return replace(self, **{name: values[rows] for name, values in vars(self).items() if values is not None})

    def for_policy(
        self, policy_NR: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        """What `policy_loss` and `policy_sums` take."""
        given = (policy_NR, self.frozen_NR, self.ref_NR)
        return *given, self.advantages_N, self.mask_NR, self.teacher_N, self.rewarded_N

    def for_sampler(self, policy_NR: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        """What `sampler_weights` and `sampler_metrics` take; None: no correction."""
        if self.sampling_NR is None:
            return None
        before_NR = policy_NR if self.frozen_NR is None else self.frozen_NR
        return before_NR, self.sampling_NR, self.mask_NR & self.rewarded_N[:, None], ~self.teacher_N
