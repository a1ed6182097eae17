"""What the policy minimises on one micro-batch. Shapes: N rows, R response tokens, T real tokens, C of one chunk.

No chunk asks the device for a value: it would wait for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypedDict

import torch
from torch import Tensor

from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.policy_metrics import policy_sums
from rilctl.algorithms.sampler_weights import sampler_metrics, sampler_weights
from rilctl.config.algorithms import RatioLevel
from rilctl.config.train import AlgorithmConfig, SamplerCorrectionConfig
from rilctl.stages.train.rows import Group, Row


@dataclass(frozen=True)
class MicroBatch:
    """Whole groups that go through the model at once."""

    groups: Sequence[Group]
    prompt_of_row_N: Tensor
    token_ids_NR: Tensor
    mask_NR: Tensor

    @property
    def rows(self) -> list[Row]:
        """The policy rows, in the order of the tensors."""
        return [row for group in self.groups for row in group.policy_rows]


@dataclass(frozen=True)
class Terms:
    """What a loss is made of: N rows of R tokens, or C tokens as rows of one.

    Args:
        policy_NR: the policy's log-probabilities.
        frozen_NR: those before the batch's first update; None: this is that update.
        ref_NR: of the reference; None: no KL.
        sampling_NR: as the engine sampled them, not read in teacher rows; None: they need no correction.
        advantages_N: higher is better.
        mask_NR: True at real tokens.
        teacher_N: True for a teacher's.
        rewarded_N: True where there is a reward.
    """

    policy_NR: Tensor
    frozen_NR: Tensor | None
    ref_NR: Tensor | None
    sampling_NR: Tensor | None
    advantages_N: Tensor
    mask_NR: Tensor
    teacher_N: Tensor
    rewarded_N: Tensor

    @property
    def of_policy(self) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        """What `policy_loss` and `policy_sums` take."""
        old = (self.policy_NR, self.frozen_NR, self.ref_NR)
        return *old, self.advantages_N, self.mask_NR, self.teacher_N, self.rewarded_N

    @property
    def of_sampler(self) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        """What `sampler_weights` and `sampler_metrics` take; None: no correction."""
        if self.sampling_NR is None:
            return None
        policy_NR = self.policy_NR if self.frozen_NR is None else self.frozen_NR
        return policy_NR, self.sampling_NR, self.mask_NR & self.rewarded_N[:, None], ~self.teacher_N


class _Options(TypedDict):
    """What loss and metrics both take."""

    clip_low: float
    clip_high: float
    ratio_level: RatioLevel
    teacher_rows: Literal["plain", "shaped"]
    kl_rows: Literal["student", "all"]
    objective: str


@dataclass(frozen=True)
class Objective:
    """`policy_loss` of a micro-batch, which has no row where another rank has more of them.

    Args:
        algorithm: the recipe's choices.
        part: the rows.
        ref_logprobs_NR: of the reference; None: no KL.
        frozen_logprobs_NR: before the batch's first update; None: this is that update.
        denominator: the whole batch's.
        correction: of what another engine sampled; None: the trainer's own model did.
    """

    algorithm: AlgorithmConfig
    part: MicroBatch
    ref_logprobs_NR: Tensor | None
    frozen_logprobs_NR: Tensor | None
    denominator: float
    correction: SamplerCorrectionConfig | None = None

    @property
    def is_sum_over_tokens(self) -> bool:
        """Whether a token's share in the loss depends on no other token of its row."""
        by_token = self.correction is None or self.correction.level == "token"
        return self.algorithm.ratio_level == "token" and self.algorithm.record.loss_weighting == "token" and by_token

    def loss(self, logprobs_NR: Tensor) -> Tensor:
        """Of all rows."""
        return self._loss(self._rows(logprobs_NR))

    def token_loss(self, logprobs_C: Tensor, chunk: slice) -> Tensor:
        """The share of some of the real tokens in the loss: each is a row of one token."""
        frozen_T, ref_T, sampling_T, advantages_T, teacher_T, rewarded_T = self._tokens_T
        terms = Terms(
            logprobs_C[:, None],
            None if frozen_T is None else frozen_T[chunk, None],
            None if ref_T is None else ref_T[chunk, None],
            None if sampling_T is None else sampling_T[chunk, None],
            advantages_T[chunk],
            torch.ones_like(logprobs_C, dtype=torch.bool)[:, None],
            teacher_T[chunk],
            rewarded_T[chunk],
        )
        return self._loss(terms)

    def sums(self, logprobs_NR: Tensor) -> dict[str, Tensor]:
        """What the rows add to the batch's metrics: see `policy_sums`."""
        terms = self._rows(logprobs_NR.detach())
        weights_NR, measured = self._weights_NR(terms), None
        if self.correction is not None and terms.of_sampler is not None and weights_NR is not None:
            level, cap = self.correction.level, self.correction.cap
            measured = sampler_metrics(*terms.of_sampler, weights_NR, level=level, cap=cap)
        return policy_sums(
            *terms.of_policy,
            **self._options,
            weights_BR=weights_NR,
            of_students_BR=measured,
        )

    def _loss(self, terms: Terms) -> Tensor:
        return policy_loss(
            *terms.of_policy,
            **self._options,
            kl_beta=self.algorithm.kl_beta,
            denominator=self.denominator,
            loss_weighting=self.algorithm.record.loss_weighting,
            weights_BR=self._weights_NR(terms),
        )

    @property
    def _options(self) -> _Options:
        return {
            "clip_low": self.algorithm.clip_low,
            "clip_high": self.algorithm.clip_high,
            "ratio_level": self.algorithm.ratio_level,
            "teacher_rows": "shaped" if self.algorithm.teacher_rows == "shaped" else "plain",
            "kl_rows": self.algorithm.kl_rows,
            "objective": self.algorithm.record.objective,
        }

    def _weights_NR(self, terms: Terms) -> Tensor | None:
        if self.correction is None or terms.of_sampler is None:
            return None
        choice = self.correction
        return sampler_weights(*terms.of_sampler, level=choice.level, mode=choice.mode, cap=choice.cap)

    def _rows(self, logprobs_NR: Tensor) -> Terms:
        sampling_NR = None if self.correction is None else self._sampling_logprobs_NR
        old = (logprobs_NR, self.frozen_logprobs_NR, self.ref_logprobs_NR, sampling_NR)
        advantages_N, teacher_N, rewarded_N = self._rows_N
        return Terms(*old, advantages_N, self.part.mask_NR, teacher_N, rewarded_N)

    @cached_property
    def _sampling_logprobs_NR(self) -> Tensor:
        """As the engine sampled them; 0 at padding and in teacher rows."""
        values_NR = torch.zeros(self.part.mask_NR.shape)
        for row, values_R in zip(self.part.rows, values_NR, strict=True):
            if row.sampling_logprobs is not None:
                values_R[: len(row.sampling_logprobs)] = torch.tensor(row.sampling_logprobs)
        return values_NR.to(self.part.mask_NR.device)

    @cached_property
    def _rows_N(self) -> tuple[Tensor, Tensor, Tensor]:
        """Advantage, whether a teacher's, whether rewarded."""
        rows, device = self.part.rows, self.part.mask_NR.device
        return (
            torch.tensor([row.advantage for row in rows], device=device, dtype=torch.float32),
            torch.tensor([row.side == "teacher" for row in rows], device=device, dtype=torch.bool),
            torch.tensor([row.reward is not None for row in rows], device=device, dtype=torch.bool),
        )

    @cached_property
    def _tokens_T(self) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor, Tensor, Tensor]:
        """What `Terms` has of each real token: frozen, reference and sampling log-probability, then its row's."""
        mask_NR = self.part.mask_NR
        row_of_token_T = mask_NR.nonzero()[:, 0]
        advantages_N, teacher_N, rewarded_N = self._rows_N
        return (
            None if self.frozen_logprobs_NR is None else self.frozen_logprobs_NR[mask_NR],
            None if self.ref_logprobs_NR is None else self.ref_logprobs_NR[mask_NR],
            None if self.correction is None else self._sampling_logprobs_NR[mask_NR],
            advantages_N[row_of_token_T],
            teacher_N[row_of_token_T],
            rewarded_N[row_of_token_T],
        )
