"""One step of Algorithm 2: rollouts, discriminator, rewards, advantages, policy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, TypedDict

from torch import Tensor

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample
from rilctl.engines.meanwhile import meanwhile
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RilctlError
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.rewards.base import Score
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.disc_update import LabelledRows, health, score, update_discriminator
from rilctl.stages.shared.inputs import present
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.train.groups import GroupMaker
from rilctl.stages.train.placement import Turns
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.rewarding import Values, known_answers, own_rewards, refuse_missing, rewarded
from rilctl.stages.train.rollout_log import RolloutLog, gather_groups
from rilctl.stages.train.row_metrics import row_metrics
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
        with_truth = [at for at, (group, _) in enumerate(rows) if group.sample.has_truth]
        to_ask = [at for at in with_truth if answers[at] is None] if config.algorithm.uses_judge else []
        to_judge = judge.prepare(samples, [(rows[at][0].place, rows[at][1].text) for at in to_ask])
        part = judge.deal(to_judge)
        num_rows = self.ranks.total(len(with_truth))
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


class Taken(NamedTuple):
    """What is told of a step that was taken."""

    num_groups: int
    """Of all ranks; 0: no question could be asked."""
    rejected: list[RejectedRecord]
    """Questions that could not."""
    metrics: dict[str, float]
    """Of all ranks' rows."""


@dataclass
class TrainingStep:
    """From questions to weights, with the rows in the log.

    Args:
        groups: makes them.
        learner: what learns from them, and who judges.
        rollouts: where the rows are kept, by rank 0.
        pulse: of the engine that samples; it hears until something is learned, and again from the next step on.
    """

    groups: GroupMaker
    learner: Learner
    rollouts: RolloutLog
    pulse: Pulse

    def take(self, step: int, samples: Sequence[Sample], judge_counts: Mapping[str, float]) -> Taken:
        """Take one. Collective.

        Args:
            step: counted from 1.
            samples: its questions, of all ranks.
            judge_counts: what the judge has counted up to the last checkpoint.

        Raises:
            RilctlError: as `Learner.learn`.
        """
        learner, ranks = self.learner, self.learner.ranks
        self.pulse.hears = ranks.size == 1
        with learner.policy_update.rolling_out(len(ranks.share(samples))):
            groups, rejected, metrics = self.groups.collect(step, samples)
        self.pulse.hears = False
        num_groups = ranks.total(len(groups))
        if num_groups:  # all of the step's pictures may be bad
            groups, learned = learner.learn(groups, samples)
            judged = learner.judge.metrics(judge_counts)
            metrics |= learned | {f"judge/{name}": value for name, value in judged.items()}
        rows_by_group = gather_groups(ranks, step, groups)
        metrics |= row_metrics(ranks, rows_by_group, learner.config)
        with ranks.together():
            if ranks.is_main:
                self.rollouts.append([row for group in rows_by_group for row in group.rows])
        return Taken(num_groups, rejected, metrics)
