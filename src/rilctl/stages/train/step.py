"""One step of Algorithm 2: rollouts, discriminator, rewards, advantages, policy."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample
from rilctl.engines.meanwhile import meanwhile
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator
from rilctl.rewards.base import Score
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.inputs import present
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.train.disc_step import DiscStep
from rilctl.stages.train.groups import GroupMaker
from rilctl.stages.train.placement import Turns
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.rewarding import known_answers, own_rewards, refuse_missing, rewarded
from rilctl.stages.train.rollout_log import RolloutLog, gather_groups
from rilctl.stages.train.row_metrics import row_metrics
from rilctl.stages.train.rows import Group, rows_of
from rilctl.stages.train.sampled import rewards_digest
from rilctl.stages.train.taught import Taught, TaughtRows
from rilctl.stages.train.verdicts import JudgeAsker


@dataclass
class Learner:
    """What learns in a run, and who judges.

    Args:
        config: the `[train]` table.
        policy_update: trains the student.
        disc_step: the discriminator and its optimizer, where the algorithm has one.
        judge: is asked what is right, where the algorithm wants to know.
        prepaid: verdicts on teachers' responses, by response digest.
        scores: the recipe's own rewards.
        ranks: whose groups together are a step.
        turns: gives the device to the discriminator and back; None: both are there.
        check_stop: called while a step waits for verdicts; may raise to stop.
    """

    config: TrainConfig
    policy_update: PolicyUpdate
    disc_step: DiscStep | None
    judge: JudgeAsker
    prepaid: Mapping[str, bool]
    scores: Mapping[str, Score]
    ranks: Ranks
    turns: Turns | None = None
    check_stop: Callable[[], object] = lambda: None

    @property
    def disc(self) -> Discriminator | None:
        """The discriminator, where the algorithm has one."""
        return self.disc_step.disc if self.disc_step else None

    @property
    def disc_engine(self) -> TrainingEngine | None:
        """Its optimizer."""
        return self.disc_step.engine if self.disc_step else None

    def learn(
        self, groups: Sequence[Group], samples: Sequence[Sample], taught: Taught | None = None
    ) -> tuple[list[Group], dict[str, float]]:
        """Discriminator, rewards, advantages, policy. Collective.

        The judge is asked while the recipe's own rewards are computed, and the discriminator learns and scores; if
        one of them fails, nobody waits for the judge.

        Args:
            groups: of this rank, which may have none as long as another has some.
            samples: the step's questions, of all ranks.
            taught: what the policy learns by heart beside them; None: nothing.

        Returns:
            The groups with what their rows earned, and metrics of all ranks' rows.

        Raises:
            RilctlError: too many rows without a verdict, a reward of the recipe's own that fails, or too many bad
                steps in a row.
        """
        config, judge = self.config, self.judge
        metrics: dict[str, float | None] = {}
        disc_logits, have_zero = None, self.disc is None or self.disc.card.logits_have_zero
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
            if self.disc_step is not None:
                turn = self.turns.discriminator() if self.turns else nullcontext()
                with phase("train", "discriminator update"), turn:
                    disc_logits, scores = self.disc_step.take(groups)
                metrics |= scores
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
            groups = rewarded(groups, given, disc_logits, config, logits_have_zero=have_zero)
        with phase("train", "policy update"):
            return groups, present(metrics | self.policy_update.update(groups, taught))


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
        taught: what is learned by heart beside rewards.
        pulse: of the engine that samples; it hears until something is learned, and again from the next step on.
    """

    groups: GroupMaker
    learner: Learner
    rollouts: RolloutLog
    taught: TaughtRows
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
            taught, bad = self.taught.of_step(step)
            rejected += bad
            groups, learned = learner.learn(groups, samples, taught)
            judged = learner.judge.metrics(judge_counts)
            stored = self.groups.asker.stored
            stored.learned = rewards_digest(stored.learned, ranks, [row.reward for _, row in rows_of(groups)])
            metrics |= learned | {f"judge/{name}": value for name, value in judged.items()}
        rows_by_group = gather_groups(ranks, step, groups)
        metrics |= row_metrics(ranks, rows_by_group, learner.config)
        with ranks.together():
            if ranks.is_main:
                self.rollouts.append([row for group in rows_by_group for row in group.rows])
        return Taken(num_groups, rejected, metrics)
