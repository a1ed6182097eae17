"""One step of Algorithm 2: discriminator, rewards, advantages, policy."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.algorithms.disc_metrics import length_only_accuracy
from rilctl.config.train import TrainConfig
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_training
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.stages.disc_update import LabelledRows, health, score, update_discriminator
from rilctl.stages.inputs import mean, present
from rilctl.stages.ril.placement import Trained, Turns
from rilctl.stages.ril.policy_update import PolicyUpdate
from rilctl.stages.ril.rewarding import ask_judge, assign_rewards
from rilctl.stages.ril.roles import Roles
from rilctl.stages.ril.rows import Group


@dataclass
class Learner:
    """What learns in a run, and who judges.

    Args:
        config: the `[train]` table.
        policy: the student that is trained.
        disc: the discriminator, where the algorithm has one.
        disc_engine: its optimizer.
        judge: says what is right, where the algorithm asks.
        verdicts: prepaid verdicts by response digest.
        turns: gives the device to the discriminator and back; None: both are there.
        check_stop: called while a step waits for verdicts; may raise to stop.
    """

    config: TrainConfig
    policy: PolicyUpdate
    disc: Discriminator | None
    disc_engine: TrainingEngine | None
    judge: JudgeEngine
    verdicts: Mapping[str, bool]
    turns: Turns | None = None
    check_stop: Callable[[], object] = lambda: None

    def learn(self, groups: Sequence[Group]) -> dict[str, float]:
        """Discriminator, rewards, advantages, policy; fills in the rows and returns the metrics.

        The judge is asked while the discriminator learns and scores.

        Raises:
            RilctlError: too many rows without a verdict, or a gradient that isn't finite.
        """
        metrics: dict[str, float | None] = {}
        after = None
        with ThreadPoolExecutor(1, thread_name_prefix="judge") as in_flight:
            verdicts = in_flight.submit(self._ask_judge, groups)
            if self.disc is not None:
                with self._discriminators_turn():
                    disc_metrics, after = self._score(groups)
                metrics |= disc_metrics
            metrics |= verdicts.result()
        metrics |= assign_rewards(groups, self.config.algorithm, self.disc.card.loss if self.disc else None)
        if after is not None:
            with self._discriminators_turn():
                metrics |= after()
        metrics |= self.policy.update(groups)
        return present(metrics | _response_metrics(groups))

    def _discriminators_turn(self) -> AbstractContextManager[None]:
        return self.turns.discriminator() if self.turns else nullcontext()

    def _ask_judge(self, groups: Sequence[Group]) -> dict[str, float | None]:
        if not self.config.algorithm.uses_judge:
            return {}
        return ask_judge(groups, self.judge, self.verdicts, self.config, self.check_stop)

    def _score(self, groups: Sequence[Group]) -> tuple[dict[str, float], Callable[[], dict[str, float]] | None]:
        """Discriminator updates and scores in the recipe's order; health is always of rows not yet learned.

        Returns:
            Metrics, and the updates that are still to be done once the rewards are assigned.
        """
        assert self.disc is not None
        disc, algorithm = self.disc, self.config.algorithm
        rows = [row for group in groups for row in group.rows]
        batch = LabelledRows(
            [DiscriminatorRow(g.sample.question, g.sample.images, row.text) for g in groups for row in g.rows],
            [row.side == "student" for row in rows],
            [index for index, group in enumerate(groups) for _ in group.rows],
        )
        budget_tokens = self.config.engine.tokens_per_micro_batch

        def update() -> tuple[Tensor | None, dict[str, float]]:
            first: Tensor | None = None
            report: dict[str, float] = {}
            for _ in range(algorithm.disc_updates):
                assert self.disc_engine is not None
                logits_N, report = update_discriminator(disc, self.disc_engine, batch, budget_tokens=budget_tokens)
                first = logits_N if first is None else first
            return first, {f"disc/{name}": value for name, value in report.items()}

        metrics: dict[str, float] = {}
        fresh_N, after = None, None
        if algorithm.scoring == "update-then-score":
            fresh_N, metrics = update()
        logits_N = score(disc, batch, budget_tokens=budget_tokens)
        if algorithm.scoring == "score-then-update":

            def after() -> dict[str, float]:
                return update()[1]

        for row, logit in zip(rows, logits_N.tolist(), strict=True):
            row.disc_logit = logit
        fresh = health(disc, logits_N if fresh_N is None else fresh_N, batch.is_student)
        metrics |= {f"disc/{name}": value for name, value in fresh.items()}
        return metrics | _length_only(groups), after


def make_learner(config: TrainConfig, roles: Roles, judge: JudgeEngine, verdicts: Mapping[str, bool]) -> Learner:
    """Give policy and discriminator an optimizer each, and where they take turns on the device, the means to."""
    policy, disc = roles.policy, roles.disc
    policy_steps = config.num_steps * config.algorithm.policy_updates
    policy_engine = open_training(policy.trained_parameters(), config.optim, config.engine, num_steps=policy_steps)
    update = PolicyUpdate(config, policy, policy_engine, roles.reference)
    if disc is None:
        return Learner(config, update, None, None, judge, verdicts)
    disc_steps = config.num_steps * max(1, config.algorithm.disc_updates)
    disc_engine = open_training(
        disc.trained_parameters(), config.discriminator.optim, config.engine, num_steps=disc_steps
    )
    turns = None
    if roles.disc_waits:
        turns = Turns(policy.device, Trained(policy.model, policy_engine), Trained(disc, disc_engine))
    return Learner(config, update, disc, disc_engine, judge, verdicts, turns)


def _length_only(groups: Sequence[Group]) -> dict[str, float]:
    """Accuracy of a rule that sees only lengths: fitted on every other group, measured on the rest."""

    def lengths(part: Sequence[Group]) -> tuple[Tensor, Tensor]:
        rows = [row for group in part for row in group.rows]
        num_tokens = torch.tensor([len(row.token_ids) for row in rows])
        return num_tokens, torch.tensor([float(row.side == "student") for row in rows])

    if len(groups) < 2:
        return {}
    return present({"disc/length_only_accuracy": length_only_accuracy(*lengths(groups[::2]), *lengths(groups[1::2]))})


def _response_metrics(groups: Sequence[Group]) -> dict[str, float | None]:
    students = [row for group in groups for row in group.rows if row.side == "student"]
    teachers = [row for group in groups for row in group.rows if row.side == "teacher"]
    return {
        "response/mean_tokens": mean(float(len(row.token_ids)) for row in students),
        "response/mean_tokens_teacher": mean(float(len(row.token_ids)) for row in teachers),
        "response/stopped_share": mean(float(row.finish_reason == "stop") for row in students),
        "response/truncated_mass": mean(group.truncated_mass for group in groups if group.truncated_mass is not None),
    }
