"""One step of Algorithm 2: discriminator, rewards, advantages, policy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import TypedDict

from torch import Tensor

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample
from rilctl.engines.meanwhile import meanwhile
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.errors import RilctlError
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.rewards.base import Score
from rilctl.stages.shared.disc_update import LabelledRows, health, score, update_discriminator
from rilctl.stages.shared.inputs import present
from rilctl.stages.shared.phases import phase
from rilctl.stages.train.placement import Trained, Turns
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.rewarding import Values, known_answers, own_rewards, refuse_missing, rewarded
from rilctl.stages.train.roles import Roles
from rilctl.stages.train.rows import Group, rows_of
from rilctl.stages.train.verdicts import JudgeAsker


class _Options(TypedDict):
    budget_tokens: int
    ranks: Ranks


@dataclass
class Learner:
    """What learns in a run, and who judges.

    Args:
        config: the `[train]` table.
        policy_update: trains the student.
        disc: the discriminator, where the algorithm has one.
        disc_engine: its optimizer.
        judge: is asked what is right, where the algorithm wants to know.
        prepaid: verdicts on teachers' responses, by response digest.
        scores: the recipe's own rewards.
        ranks: whose groups together are a step.
        turns: gives the device to the discriminator and back; None: both are there.
        check_stop: called while a step waits for verdicts; may raise to stop.
    """

    config: TrainConfig
    policy_update: PolicyUpdate
    disc: Discriminator | None
    disc_engine: TrainingEngine | None
    judge: JudgeAsker
    prepaid: Mapping[str, bool]
    scores: Mapping[str, Score]
    ranks: Ranks
    turns: Turns | None = None
    check_stop: Callable[[], object] = lambda: None

    def learn(self, groups: Sequence[Group], samples: Sequence[Sample]) -> tuple[list[Group], dict[str, float]]:
        """Discriminator, rewards, advantages, policy. Collective.

        The judge is asked while the recipe's own rewards are computed, and the discriminator learns and scores; if
        one of them fails, nobody waits for the judge.

        Args:
            groups: of this rank, which may have none as long as another has some.
            samples: the step's questions, of all ranks.

        Returns:
            The groups with what their rows earned, and metrics of all ranks' rows.

        Raises:
            RilctlError: too many rows without a verdict, a reward of the recipe's own that fails, or too many bad
                steps in a row.
        """
        config, judge = self.config, self.judge
        metrics: dict[str, float | None] = {}
        disc_logits, after = None, None
        rows = rows_of(groups)
        answers = known_answers(groups, self.prepaid)
        to_ask = [at for at, known in enumerate(answers) if known is None] if config.algorithm.uses_judge else []
        to_judge = judge.prepare(samples, [(rows[at][0].place, rows[at][1].text) for at in to_ask])
        part = judge.deal(to_judge)
        num_rows = self.ranks.total(len(rows))
        with meanwhile(lambda: judge.ask(to_judge, part), stop=judge.close, name="judge") as replies:
            with self.ranks.together():
                given = own_rewards(groups, self.scores, max_tokens=config.sampling.max_new_tokens)
            if self.disc is not None:
                with self._discriminators_turn():
                    disc_logits, disc_metrics, after = self._score(groups)
                metrics |= disc_metrics
            with timed("judge wait"), self.ranks.together():
                said = replies.result()
        judge.collect(to_judge, said)
        with timed("judge wait"):
            judge.wait_for_more(to_judge, part, said, config, num_rows=num_rows, check_stop=self.check_stop)
        with self.ranks.together():
            refuse_missing(to_judge.verdicts(to_judge.rows), num_rows, config)
        if config.algorithm.uses_judge:
            told = dict(zip(to_ask, to_judge.verdicts(to_judge.own), strict=True))
            verdicts = [told.get(at, known) for at, known in enumerate(answers)]
            given["answer"] = [None if correct is None else float(correct) for correct in verdicts]
        with self.ranks.together():
            groups = rewarded(groups, given, disc_logits, config, self.disc.card.loss if self.disc else None)
        if after is not None:
            with self._discriminators_turn():
                metrics |= after()
        with phase("train", "policy update"):
            return groups, present(metrics | self.policy_update.update(groups))

    @contextmanager
    def _discriminators_turn(self) -> Iterator[None]:
        with phase("train", "discriminator update"), self.turns.discriminator() if self.turns else nullcontext():
            yield

    def _score(self, groups: Sequence[Group]) -> tuple[Values, dict[str, float], Callable[[], dict[str, float]] | None]:
        """Discriminator updates and scores in the recipe's order; health is always of rows not yet learned.

        Returns:
            The rows' logits, None where one isn't finite; metrics; and the updates that are still to be done once the
            rewards are known.
        """
        assert self.disc is not None
        disc, algorithm = self.disc, self.config.algorithm
        rows = rows_of(groups)
        batch = LabelledRows(
            [DiscriminatorRow(group.sample.conversation, row.text) for group, row in rows],
            [row.side == "student" for _, row in rows],
            [index for index, group in enumerate(groups) for _ in group.rows],
        )
        options: _Options = {"budget_tokens": self.config.engine.tokens_per_micro_batch, "ranks": self.ranks}

        def update() -> tuple[Tensor | None, dict[str, float]]:
            first: Tensor | None = None
            report: dict[str, float] = {}
            for _ in range(algorithm.disc_updates):
                assert self.disc_engine is not None
                optim = self.config.discriminator.optim
                logits_N, report = update_discriminator(disc, self.disc_engine, batch, optim=optim, **options)
                first = logits_N if first is None else first
            return first, {f"disc/{name}": value for name, value in report.items()}

        metrics: dict[str, float] = {}
        fresh_N, after = None, None
        if algorithm.scoring == "update-then-score":
            fresh_N, metrics = update()
        with timed("scoring"):
            logits_N = score(disc, batch, **options)
        if algorithm.scoring == "score-then-update":

            def after() -> dict[str, float]:
                return update()[1]

        num_finite = self.ranks.total(int(logits_N.isfinite().sum()))
        if not num_finite and not algorithm.disc_updates:
            raise RilctlError(
                "the discriminator computes no finite logit for any row of a step, and `disc_updates` = 0",
                hint="use dtype = `float32`, or run `rilctl pretrain-disc` again in a new directory",
            )
        fresh = health(disc, logits_N if fresh_N is None else fresh_N, batch.is_student, ranks=self.ranks)
        metrics |= {f"disc/{name}": value for name, value in fresh.items()}
        return [logit if isfinite(logit) else None for logit in logits_N.tolist()], metrics, after


def make_learner(
    config: TrainConfig,
    roles: Roles,
    judge: JudgeAsker,
    prepaid: Mapping[str, bool],
    scores: Mapping[str, Score],
    ranks: Ranks,
    *,
    check_stop: Callable[[], object] = lambda: None,
) -> Learner:
    """Give policy and discriminator an optimizer each, and where they take turns on the device, the means to.

    Args:
        config: the `[train]` table.
        roles: the models.
        judge: says what is right.
        prepaid: verdicts on teachers' responses, by response digest.
        scores: the recipe's own rewards.
        ranks: this process among those that train.
        check_stop: called while a step waits for verdicts; may raise to stop.
    """
    policy, disc = roles.policy, roles.disc
    open_frozen(roles.frozen(), config.engine, ranks=ranks)
    policy_steps = config.num_steps * config.algorithm.policy_updates
    policy_engine = open_training(policy, config.optim, config.engine, num_steps=policy_steps, ranks=ranks)
    update = PolicyUpdate(config, policy, policy_engine, roles.reference, ranks, _kept_prefix(config, roles))
    if disc is None:
        return Learner(config, update, None, None, judge, prepaid, scores, ranks, check_stop=check_stop)
    disc_steps = config.num_steps * max(1, config.algorithm.disc_updates)
    disc_optim = config.discriminator.optim
    disc_engine = open_training(disc, disc_optim, config.engine, num_steps=disc_steps, ranks=ranks)
    turns = None
    if roles.disc_waits:  # DeepSpeed offloads instead
        assert isinstance(policy_engine, TorchTraining) and isinstance(disc_engine, TorchTraining)
        waits = Trained(disc, disc_engine.optimizer)
        turns = Turns(policy.device, Trained(policy.model, policy_engine.optimizer), waits)
    return Learner(config, update, disc, disc_engine, judge, prepaid, scores, ranks, turns, check_stop)


def _kept_prefix(config: TrainConfig, roles: Roles) -> KeptPrefix | None:
    """Means to keep the prompts from the rollouts to the update, where the policy stays on the device in between."""
    if not config.may_keep_prompts or roles.disc_waits or not roles.policy.family.shares_prompts:
        return None
    return KeptPrefix(
        roles.policy,
        budget_tokens=config.engine.tokens_per_micro_batch,
        num_rows=config.num_policy_rows,
        response_tokens=config.sampling.max_new_tokens,
    )
