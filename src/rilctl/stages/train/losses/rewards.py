"""The part that learns from rewards: the algorithm's objective on the groups' rows, and the KL to the reference.

Shapes: N policy rows of a micro-batch, R response tokens, T real tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.algorithms.batch_loss import BatchLoss, SamplerCut
from rilctl.algorithms.loss_parts import DENOMINATORS, BatchSize
from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs, response_loss
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.models.shared_prefix.prefix import Prefix
from rilctl.stages.train.losses.base import NUM_TOKENS, StepLoss
from rilctl.stages.train.rows import Group, MicroBatch, ResponseInputs, cut_groups


@dataclass
class RewardLoss:
    """Makes advantages into gradients.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        reference: the student as it was; None: no KL.
        ranks: whose groups together are the batch.
        kept: the prompts as the rollouts computed them; None: they are computed anew.
    """

    config: TrainConfig
    policy: Vlm
    reference: Vlm | None
    ranks: Ranks
    kept: KeptPrefix | None

    def of(self, groups: Sequence[Group], weight: float) -> StepLoss:
        """That of a step's groups, with what doesn't change from one update to the next. Collective.

        Args:
            groups: of this rank.
            weight: of this part in the whole loss.
        """
        parts = list(cut_groups(self.config, self.policy, self.ranks, groups))
        batch_loss = self._batch_loss(groups)
        if self.reference is not None:
            with timed("reference"):
                parts = [part.knowing(ref_NR=self.reference_logprobs(part, self.reference)) for part in parts]
        if self.config.algorithm.policy_updates > 1:
            parts = [part.knowing(frozen_NR=self._frozen_logprobs(part)) for part in parts]
        return _OfStep(self, batch_loss, parts, weight)

    def loss(self, batch_loss: BatchLoss, part: MicroBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The micro-batch's loss with its gradient, logprobs_NR, entropy_T."""
        prefix = self.kept.take(part.prompts) if self.kept is not None else None
        if not batch_loss.is_sum_over_tokens:
            logprobs_NR, entropy_T = self._logprobs(self.policy, part.inputs, prefix)
            return batch_loss.of_rows(logprobs_NR, part.terms), logprobs_NR, entropy_T
        return response_loss(
            self.policy,
            *part.inputs,
            batch_loss.of_tokens(part.terms),
            temperature=self.config.sampling.temperature,
            banned_ids=self.policy.banned_ids,
            prefix=prefix,
        )

    @torch.no_grad()
    def reference_logprobs(self, part: MicroBatch, reference: Vlm) -> Tensor:
        """Of the rows that pay a KL; 0 elsewhere."""
        if self.config.algorithm.kl_rows == "all":
            return self._logprobs(reference, part.inputs)[0]
        paying_nR = self._logprobs(reference, part.students())[0]
        pays_N = ~part.terms.teacher_N
        return paying_nR.new_zeros(part.mask_NR.shape).index_copy(0, pays_N.nonzero()[:, 0], paying_nR)

    @torch.no_grad()
    def _frozen_logprobs(self, part: MicroBatch) -> Tensor:
        return self._logprobs(self.policy, part.inputs)[0]

    def _batch_loss(self, groups: Sequence[Group]) -> BatchLoss:
        """Over all ranks' groups. Collective."""
        config, algorithm = self.config, self.config.algorithm
        rows = [row for group in groups for row in group.policy_rows]
        total = self.ranks.add_up({"rows": len(rows), "tokens": sum(len(row.token_ids) for row in rows)})
        size = BatchSize(round(total["rows"]), round(total["tokens"]), config.sampling.max_new_tokens)
        correction = config.sampler_correction
        return BatchLoss(
            {
                "clip_low": algorithm.clip_low,
                "clip_high": algorithm.clip_high,
                "ratio_level": algorithm.ratio_level,
                "kl_rows": algorithm.kl_rows,
                "objective": algorithm.record.objective,
            },
            kl_beta=algorithm.kl_beta,
            loss_weighting=algorithm.record.loss_weighting,
            denominator=DENOMINATORS[algorithm.record.denominator](size),
            sampler_cut=SamplerCut(correction.level, correction.mode, correction.cap),
        )

    def _logprobs(self, vlm: Vlm, inputs: ResponseInputs, prefix: Prefix | None = None) -> tuple[Tensor, Tensor]:
        """logprobs_NR of the policy or the reference, entropy_T."""
        return response_logprobs(
            vlm,
            *inputs,
            temperature=self.config.sampling.temperature,
            banned_ids=self.policy.banned_ids,
            prefix=prefix,
        )


@dataclass(frozen=True)
class _OfStep:
    """A `StepLoss`."""

    made_by: RewardLoss
    batch_loss: BatchLoss
    parts: Sequence[MicroBatch]
    weight: float

    def backward(self, engine: TrainingEngine, sums: DeviceSums | None) -> None:
        """See `StepLoss`."""
        for part in self.parts:
            part_loss, logprobs_NR, entropy_T = self.made_by.loss(self.batch_loss, part)
            part_loss = part_loss * self.weight
            engine.backward(part_loss)
            if sums is not None:
                own = {"loss": part_loss, "entropy": entropy_T.sum(), NUM_TOKENS: part.mask_NR.sum()}
                sums.add(own | self.batch_loss.sums(logprobs_NR, part.terms))
