"""The part that learns a teacher's distribution on the student's own rollouts; it needs no reward."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.config.train import TrainConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.distilled import distillation
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.stages.train.losses.base import NUM_TOKENS, StepLoss
from rilctl.stages.train.rows import Group, MicroBatch, cut_groups


@dataclass(frozen=True)
class DistillationLoss:
    """Makes a teacher's logits into gradients: the mean of the reverse KL over the step's response tokens.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        teacher: reads what the policy said.
        ranks: whose groups together are the batch.
        kept: the prompts as the rollouts computed them; None: they are computed anew.
    """

    config: TrainConfig
    policy: Vlm
    teacher: Vlm
    ranks: Ranks
    kept: KeptPrefix | None

    def of(self, groups: Sequence[Group]) -> StepLoss:
        """That of a step's groups. Collective."""
        parts = list(cut_groups(self.config, self.policy, self.ranks, groups))
        num_tokens = self.ranks.total(sum(len(row.token_ids) for group in groups for row in group.policy_rows))
        return _OfStep(self, parts, max(1, num_tokens))


@dataclass(frozen=True)
class _OfStep:
    """A `StepLoss`."""

    made_by: DistillationLoss
    parts: Sequence[MicroBatch]
    num_tokens: int

    def backward(self, engine: TrainingEngine, sums: DeviceSums | None) -> None:
        """See `StepLoss`; the teacher's forward pass is made in each update anew, as its hidden states are large."""
        with_teacher = self.made_by
        for part in self.parts:
            prefix = with_teacher.kept.take(part.prompts) if with_teacher.kept is not None else None
            prompts, *rows = part.inputs
            found = distillation(
                with_teacher.policy,
                with_teacher.teacher,
                prompts,
                part.teacher_prompts,
                *rows,
                scale=1 / self.num_tokens,
                temperature=with_teacher.config.sampling.temperature,
                prefix=prefix,
            )
            engine.backward(found.loss)
            if sums is not None:
                sums.add(
                    {
                        "loss": found.loss,
                        "entropy": found.entropy_T.sum(),
                        NUM_TOKENS: part.mask_NR.sum(),
                        "num_student_tokens": part.mask_NR.sum(),
                        "student_logprob": found.logprobs_T.sum(),
                        "distillation_kl": found.kl_T.sum(),
                        "distillation_agreement": found.agrees_T.sum(),
                        "distillation_entropy": found.teacher_entropy_T.sum(),
                    }
                )
