"""The policy's optimizer steps on one batch of groups.

Shapes: N policy rows of a micro-batch, R response tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from rilctl.algorithms.batch_loss import BatchLoss, SamplerCut
from rilctl.algorithms.loss_parts import DENOMINATORS, BatchSize
from rilctl.algorithms.policy_metrics import policy_means
from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.engines.training.base import StepReport, TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs, response_loss
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.models.shared_prefix.prefix import Prefix
from rilctl.reporting.registry import counts_of
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.train.rows import Group, MicroBatch, ResponseInputs, micro_batch

_NUM_TOKENS = "num_policy_tokens"
"""The sum that `policy tokens` of the registry are; it is no metric."""


@dataclass
class PolicyUpdate:
    """Turns advantages into better weights.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        engine: its optimizer.
        reference: the student as it was; None: no KL.
        ranks: whose groups together are the batch.
        kept: the prompts as the rollouts computed them; None: they are computed anew.
    """

    config: TrainConfig
    policy: Vlm
    engine: TrainingEngine
    reference: Vlm | None
    ranks: Ranks
    kept: KeptPrefix | None = None

    def rolling_out(self, num_prompts: int) -> AbstractContextManager[None]:
        """The rollouts of a step are made in it, of so many prompts."""
        return self.kept.expecting(num_prompts) if self.kept is not None else nullcontext()

    def update(self, groups: Sequence[Group]) -> dict[str, float]:
        """`policy_updates` optimizer steps on the policy rows of all ranks' groups; metrics of the whole batch.

        Raises:
            RilctlError: as `step_metrics`.
        """
        num_updates = self.config.algorithm.policy_updates
        parts = list(self._micro_batches(groups))
        batch_loss = self._batch_loss(groups)
        if self.reference is not None:
            with timed("reference"):
                parts = [part.knowing(ref_NR=self._reference_logprobs(part, self.reference)) for part in parts]
        if num_updates > 1:
            parts = [part.knowing(frozen_NR=self._frozen_logprobs(part)) for part in parts]
        reports = list[StepReport]()
        for update in range(1, num_updates + 1):
            sums = DeviceSums()
            for part in parts:
                part_loss, logprobs_NR, entropy_T = self._loss(batch_loss, part)
                self.engine.backward(part_loss)
                if update == num_updates:  # the one that is reported
                    own = {"loss": part_loss, "entropy": entropy_T.sum(), _NUM_TOKENS: part.mask_NR.sum()}
                    sums.add(own | batch_loss.sums(logprobs_NR, part.terms))
            reports.append(self.engine.step())
        total = self.ranks.add_up(sums.read())
        loss = total.pop("loss")
        steps = [step_metrics("policy", loss, report, self.config.optim) for report in reports]
        means = policy_means(total, counts_of("policy", (name for name in total if name != _NUM_TOKENS)))
        mean_weight, mean_square = means.pop("student_weight", None), means.pop("student_squared_weight", None)
        if mean_weight is not None and mean_square:
            means["student_effective_sample_size"] = min(1.0, mean_weight**2 / mean_square)  # above 1 by rounding only
        if reports[-1].grad_norm is None:  # the cause of a bad step is in one of them or another
            means = {name: value for name, value in means.items() if isfinite(value)}
        return {f"policy/{name}": value for name, value in (means | steps[-1]).items()}

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
                "teacher_rows": "shaped" if algorithm.teacher_rows == "shaped" else "plain",
                "kl_rows": algorithm.kl_rows,
                "objective": algorithm.record.objective,
            },
            kl_beta=algorithm.kl_beta,
            loss_weighting=algorithm.record.loss_weighting,
            denominator=DENOMINATORS[algorithm.record.denominator](size),
            sampler_cut=SamplerCut(correction.level, correction.mode, correction.cap),
        )

    def _loss(self, batch_loss: BatchLoss, part: MicroBatch) -> tuple[Tensor, Tensor, Tensor]:
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

    def _micro_batches(self, groups: Sequence[Group]) -> Iterator[MicroBatch]:
        """See `micro_batches`; empty ones where another rank has more. Collective."""
        sizes = [
            GroupSize(
                len(group.prompt.token_ids_P),
                len(group.policy_rows),
                max(len(row.token_ids) for row in group.policy_rows),
            )
            for group in groups
        ]
        parts = list(micro_batches(sizes, self.config.engine.tokens_per_micro_batch))
        for picks in self.ranks.padded(parts, [], least=int(self.policy.stand_in is not None)):
            picked = [groups[pick] for pick in sorted(picks)]
            yield micro_batch(self.policy, picked, corrects_sampler=self.config.corrects_sampler)

    def _logprobs(self, vlm: Vlm, inputs: ResponseInputs, prefix: Prefix | None = None) -> tuple[Tensor, Tensor]:
        """logprobs_NR of the policy or the reference, entropy_T."""
        return response_logprobs(
            vlm,
            *inputs,
            temperature=self.config.sampling.temperature,
            banned_ids=self.policy.banned_ids,
            prefix=prefix,
        )

    @torch.no_grad()
    def _frozen_logprobs(self, part: MicroBatch) -> Tensor:
        return self._logprobs(self.policy, part.inputs)[0]

    @torch.no_grad()
    def _reference_logprobs(self, part: MicroBatch, reference: Vlm) -> Tensor:
        """Of the rows that pay a KL; 0 elsewhere."""
        if self.config.algorithm.kl_rows == "all":
            return self._logprobs(reference, part.inputs)[0]
        paying_nR = self._logprobs(reference, part.students())[0]
        pays_N = ~part.terms.teacher_N
        return paying_nR.new_zeros(part.mask_NR.shape).index_copy(0, pays_N.nonzero()[:, 0], paying_nR)
