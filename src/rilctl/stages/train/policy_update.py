"""The policy's optimizer steps on one batch of groups.

Shapes: N policy rows of a micro-batch, R response tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from rilctl.algorithms.policy_metrics import policy_means
from rilctl.algorithms.weighting import DENOMINATORS, BatchSize
from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.engines.training.base import StepReport, TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs, response_loss
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.shared_prefix.prefix import KeptPrefix, Prefix
from rilctl.reporting.registry import counts_of
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.train.objective import MicroBatch, Objective
from rilctl.stages.train.rows import Group

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
        algorithm = self.config.algorithm
        correction = self.config.sampler_correction if self.config.corrects_sampler else None
        parts = list(self._micro_batches(groups))
        denominator = DENOMINATORS[algorithm.record.denominator](self._size(groups))
        with timed("reference"):
            references = [self._reference_logprobs(part) for part in parts]
        frozen = [self._frozen_logprobs(part) if algorithm.policy_updates > 1 else None for part in parts]
        reports = list[StepReport]()
        for update in range(1, algorithm.policy_updates + 1):
            sums = DeviceSums()
            for part, ref_NR, frozen_NR in zip(parts, references, frozen, strict=True):
                objective = Objective(algorithm, part, ref_NR, frozen_NR, denominator, correction)
                part_loss, logprobs_NR, entropy_T = self._loss(objective)
                self.engine.backward(part_loss)
                if update == algorithm.policy_updates:  # the one that is reported
                    own = {"loss": part_loss, "entropy": entropy_T.sum(), _NUM_TOKENS: part.mask_NR.sum()}
                    sums.add(own | objective.sums(logprobs_NR))
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

    def _size(self, groups: Sequence[Group]) -> BatchSize:
        """Of all ranks' groups. Collective."""
        rows = [row for group in groups for row in group.policy_rows]
        total = self.ranks.add_up({"rows": len(rows), "tokens": sum(len(row.token_ids) for row in rows)})
        return BatchSize(round(total["rows"]), round(total["tokens"]), self.config.sampling.max_new_tokens)

    def _loss(self, objective: Objective) -> tuple[Tensor, Tensor, Tensor]:
        """The loss with its gradient, logprobs_NR, entropy_T."""
        prefix = self.kept.take([group.prompt for group in objective.part.groups]) if self.kept is not None else None
        if not objective.is_sum_over_tokens:
            logprobs_NR, entropy_T = self._logprobs(self.policy, objective.part, prefix)
            return objective.loss(logprobs_NR), logprobs_NR, entropy_T
        return response_loss(
            self.policy,
            *_tensors(objective.part),
            objective.token_loss,
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
            yield self._micro_batch([groups[pick] for pick in sorted(picks)])

    def _micro_batch(self, groups: list[Group]) -> MicroBatch:
        prompt_of_row = [index for index, group in enumerate(groups) for _ in group.policy_rows]
        responses = [row.token_ids for group in groups for row in group.policy_rows]
        device = self.policy.device
        return MicroBatch(
            list(groups),
            torch.tensor(prompt_of_row, device=device, dtype=torch.long),
            *collate_responses(self.policy, responses),
        )

    def _logprobs(self, vlm: Vlm, part: MicroBatch, prefix: Prefix | None = None) -> tuple[Tensor, Tensor]:
        """logprobs_NR of the policy or the reference, entropy_T."""
        return response_logprobs(
            vlm,
            *_tensors(part),
            temperature=self.config.sampling.temperature,
            banned_ids=self.policy.banned_ids,
            prefix=prefix,
        )

    @torch.no_grad()
    def _frozen_logprobs(self, part: MicroBatch) -> Tensor:
        return self._logprobs(self.policy, part)[0]

    @torch.no_grad()
    def _reference_logprobs(self, part: MicroBatch) -> Tensor | None:
        """Of the rows that pay a KL; 0 elsewhere."""
        if self.reference is None:
            return None
        if self.config.algorithm.kl_rows == "all":
            return self._logprobs(self.reference, part)[0]
        is_student = [row.side == "student" for row in part.rows]
        pays_N = torch.tensor(is_student, device=part.mask_NR.device, dtype=torch.bool)
        tensors_N = (part.prompt_of_row_N, part.token_ids_NR, part.mask_NR)
        students = MicroBatch(part.groups, *(tensor[pays_N] for tensor in tensors_N))
        paying_nR = self._logprobs(self.reference, students)[0]
        return paying_nR.new_zeros(part.mask_NR.shape).index_copy(0, pays_N.nonzero()[:, 0], paying_nR)


def _tensors(part: MicroBatch) -> tuple[list[EncodedPrompt], Tensor, Tensor, Tensor]:
    return [group.prompt for group in part.groups], part.prompt_of_row_N, part.token_ids_NR, part.mask_NR
