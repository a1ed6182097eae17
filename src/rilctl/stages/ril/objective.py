"""What the policy minimises on one micro-batch. Shapes: N rows, R response tokens, T real tokens, C of one chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.sampler_weights import sampler_weights
from rilctl.config.train import AlgorithmConfig, SamplerCorrectionConfig
from rilctl.stages.ril.rows import Group, Row


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
class Objective:
    """`policy_loss` of a micro-batch.

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
        return self.algorithm.ratio_level == "token" and self.algorithm.name != "grpo" and by_token

    def loss(self, logprobs_NR: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and metrics of all rows."""
        sampling_NR = None if self.correction is None else self._sampling_logprobs_NR
        old = (self.frozen_logprobs_NR, self.ref_logprobs_NR, sampling_NR)
        return self._loss(logprobs_NR, *old, *self._rows_N, self.part.mask_NR)

    def token_loss(self, logprobs_C: Tensor, chunk: slice) -> Tensor:
        """The share of some of the real tokens in the loss: each is a row of one token."""
        frozen_T, ref_T, sampling_T, advantages_T, is_teacher_T, is_rewarded_T = self._tokens_T
        return self._loss(
            logprobs_C[:, None],
            None if frozen_T is None else frozen_T[chunk, None],
            None if ref_T is None else ref_T[chunk, None],
            None if sampling_T is None else sampling_T[chunk, None],
            advantages_T[chunk],
            is_teacher_T[chunk],
            is_rewarded_T[chunk],
            torch.ones_like(logprobs_C, dtype=torch.bool)[:, None],
        )[0]

    def _loss(
        self,
        logprobs_NR: Tensor,
        frozen_NR: Tensor | None,
        ref_NR: Tensor | None,
        sampling_NR: Tensor | None,
        advantages_N: Tensor,
        is_teacher_N: Tensor,
        is_rewarded_N: Tensor,
        mask_NR: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        weights_NR, measured = None, dict[str, Tensor]()
        if self.correction is not None and sampling_NR is not None:
            weights_NR, measured = sampler_weights(
                logprobs_NR if frozen_NR is None else frozen_NR,
                sampling_NR,
                mask_NR & is_rewarded_N[:, None],
                ~is_teacher_N,
                level=self.correction.level,
                mode=self.correction.mode,
                cap=self.correction.cap,
            )
        loss, metrics = policy_loss(
            logprobs_NR,
            frozen_NR,
            ref_NR,
            advantages_N,
            mask_NR,
            is_teacher_N,
            is_rewarded_N,
            clip_eps=self.algorithm.clip_eps,
            kl_beta=self.algorithm.kl_beta,
            denominator=self.denominator,
            ratio_level=self.algorithm.ratio_level,
            teacher_rows="shaped" if self.algorithm.teacher_rows == "shaped" else "plain",
            kl_rows=self.algorithm.kl_rows,
            loss_weighting="grpo" if self.algorithm.name == "grpo" else "dr_grpo",
            weights_BR=weights_NR,
        )
        return loss, metrics | {f"student_{name}": value for name, value in measured.items()}

    @cached_property
    def _sampling_logprobs_NR(self) -> Tensor:
        """As the engine sampled them; 0 at padding and in teacher rows."""
        values_NR = torch.zeros(self.part.mask_NR.shape, device=self.part.mask_NR.device)
        for row, values_R in zip(self.part.rows, values_NR, strict=True):
            if row.sampling_logprobs is not None:
                values_R[: len(row.sampling_logprobs)] = torch.tensor(row.sampling_logprobs)
        return values_NR

    @cached_property
    def _rows_N(self) -> tuple[Tensor, Tensor, Tensor]:
        """Advantage, whether a teacher's, whether rewarded."""
        rows, device = self.part.rows, self.part.mask_NR.device
        return (
            torch.tensor([row.advantage for row in rows], device=device),
            torch.tensor([row.side == "teacher" for row in rows], device=device),
            torch.tensor([row.reward is not None for row in rows], device=device),
        )

    @cached_property
    def _tokens_T(self) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor, Tensor, Tensor]:
        """What `_loss` wants of each real token: frozen, reference and sampling log-probability, then its row's."""
        mask_NR = self.part.mask_NR
        row_of_token_T = mask_NR.nonzero()[:, 0]
        advantages_N, is_teacher_N, is_rewarded_N = self._rows_N
        return (
            None if self.frozen_logprobs_NR is None else self.frozen_logprobs_NR[mask_NR],
            None if self.ref_logprobs_NR is None else self.ref_logprobs_NR[mask_NR],
            None if self.correction is None else self._sampling_logprobs_NR[mask_NR],
            advantages_N[row_of_token_T],
            is_teacher_N[row_of_token_T],
            is_rewarded_N[row_of_token_T],
        )
