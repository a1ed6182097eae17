"""The part that learns given responses by heart, as `sft` does: the mean negative log-likelihood of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rilctl.algorithms.logprobs import negative_log_likelihood
from rilctl.config.train import TrainConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.encode import collate_responses
from rilctl.stages.train.losses.base import StepLoss
from rilctl.stages.train.taught import Taught


@dataclass(frozen=True)
class SftLoss:
    """Makes given responses into gradients.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        ranks: whose rows together are the batch.
    """

    config: TrainConfig
    policy: Vlm
    ranks: Ranks

    def of(self, taught: Taught) -> StepLoss:
        """That of a step's rows. Collective."""
        sizes = [GroupSize(len(prompt.token_ids_P), 1, len(token_ids)) for prompt, token_ids in taught.rows]
        parts = list(micro_batches(sizes, self.config.engine.tokens_per_micro_batch))
        padded = self.ranks.padded(parts, [], least=int(self.policy.stand_in is not None))
        num_tokens = self.ranks.total(sum(len(token_ids) for _, token_ids in taught.rows))
        rows = [[taught.rows[pick] for pick in picks] for picks in padded]
        return _OfStep(self.policy, rows, taught.weight, max(1, num_tokens))


@dataclass(frozen=True)
class _OfStep:
    """A `StepLoss`."""

    policy: Vlm
    parts: Sequence[Sequence[tuple[EncodedPrompt, tuple[int, ...]]]]
    weight: float
    num_tokens: int

    def backward(self, engine: TrainingEngine, sums: DeviceSums | None) -> None:
        """See `StepLoss`."""
        for part in self.parts:
            ids_NR, mask_NR = collate_responses(self.policy, [token_ids for _, token_ids in part])
            rows_N = torch.arange(len(part))
            prompts = [prompt for prompt, _ in part]
            total = response_loss(self.policy, prompts, rows_N, ids_NR, mask_NR, negative_log_likelihood)[0]
            part_loss = total * (self.weight / self.num_tokens)
            engine.backward(part_loss)
            if sums is not None:
                sums.add({"loss": part_loss, "sft_loss": total, "num_sft_tokens": mask_NR.sum()})
