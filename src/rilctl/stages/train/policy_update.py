"""The policy's optimizer steps on one batch of groups."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite

from rilctl.algorithms.policy_metrics import policy_means
from rilctl.config.train import TrainConfig
from rilctl.engines.training.base import StepReport, TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.reporting.registry import counts_of
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.train.losses.base import NUM_TOKENS, StepLoss
from rilctl.stages.train.losses.distillation import DistillationLoss
from rilctl.stages.train.losses.rewards import RewardLoss
from rilctl.stages.train.losses.sft import SftLoss
from rilctl.stages.train.rows import Group
from rilctl.stages.train.taught import Taught


@dataclass
class PolicyUpdate:
    """Makes the weights better by the parts of the loss that the algorithm's record names.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        engine: its optimizer.
        reference: the student as it was; None: no KL.
        ranks: whose groups together are the batch.
        kept: the prompts as the rollouts computed them; None: they are computed anew.
        teacher: whose distribution is learned; None: no part of the loss asks for it.
    """

    config: TrainConfig
    policy: Vlm
    engine: TrainingEngine
    reference: Vlm | None
    ranks: Ranks
    kept: KeptPrefix | None = None
    teacher: Vlm | None = None

    def __post_init__(self) -> None:
        self.rewards = RewardLoss(self.config, self.policy, self.reference, self.ranks, self.kept)

    def rolling_out(self, num_prompts: int) -> AbstractContextManager[None]:
        """The rollouts of a step are made in it, of so many prompts."""
        return self.kept.expecting(num_prompts) if self.kept is not None else nullcontext()

    def update(self, groups: Sequence[Group], taught: Taught | None = None) -> dict[str, float]:
        """`policy_updates` optimizer steps on the policy rows of all ranks' groups; metrics of the whole batch.

        Args:
            groups: of this rank.
            taught: what is learned by heart beside them; None: nothing.

        Raises:
            RilctlError: as `step_metrics`.
        """
        num_updates = self.config.algorithm.policy_updates
        losses = list(self._losses(groups, taught))
        sums, reports = DeviceSums(), list[StepReport]()
        for update in range(1, num_updates + 1):
            for loss in losses:
                loss.backward(self.engine, sums if update == num_updates else None)
            reports.append(self.engine.step())
        total = self.ranks.add_up(sums.read())
        total_loss = total.pop("loss")
        steps = [step_metrics("policy", total_loss, report, self.config.optim) for report in reports]
        means = policy_means(total, counts_of("policy", (name for name in total if name != NUM_TOKENS)))
        mean_weight, mean_square = means.pop("student_weight", None), means.pop("student_squared_weight", None)
        if mean_weight is not None and mean_square:
            means["student_effective_sample_size"] = min(1.0, mean_weight**2 / mean_square)  # above 1 by rounding only
        if reports[-1].grad_norm is None:  # the cause of a bad step is in one of them or another
            means = {name: value for name, value in means.items() if isfinite(value)}
        if taught is not None:
            means["sft_weight"] = taught.weight
        return {f"policy/{name}": value for name, value in (means | steps[-1]).items()}

    def _losses(self, groups: Sequence[Group], taught: Taught | None) -> Iterator[StepLoss]:
        """The parts of the step's loss, in an order that all ranks have. Collective."""
        parts = self.config.algorithm.record.losses
        weight = 1.0 if taught is None else 1.0 - taught.weight
        if "rewards" in parts:
            yield self.rewards.of(groups, weight)
        if taught is not None:
            yield SftLoss(self.config, self.policy, self.ranks).of(taught)
        if "distillation" in parts:
            assert self.teacher is not None
            yield DistillationLoss(self.config, self.policy, self.teacher, self.ranks, self.kept).of(groups)
