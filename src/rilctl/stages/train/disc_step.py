"""The discriminator in a step: it learns the step's rows, and scores them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from torch import Tensor

from rilctl.algorithms.rewards import midpoint
from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RilctlError
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.stages.shared.disc_update import health, score, swap_health, update_discriminator
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.train.rewarding import Values
from rilctl.stages.train.rows import Group, rows_of


class Scored(NamedTuple):
    """What the discriminator says of a step."""

    logits: Values
    """Of this rank's rows, None where one isn't finite."""
    threshold: float | None
    """Below which logit a row is teacher-like; None: each group has its own."""
    metrics: dict[str, float]
    """Of all ranks' rows."""
    after: Callable[[], dict[str, float]] | None
    """The updates that are still to be done once the rewards are known; their metrics. Collective."""


@dataclass
class DiscStep:
    """The discriminator, and what trains it.

    Args:
        config: the `[train]` table.
        disc: learns and scores.
        engine: its optimizer.
        ranks: whose groups together are a step.
    """

    config: TrainConfig
    disc: Discriminator
    engine: TrainingEngine
    ranks: Ranks

    def take(self, groups: Sequence[Group]) -> Scored:
        """Updates and scores in the recipe's order; health is always of rows not yet learned. Collective.

        Raises:
            RilctlError: too many bad steps in a row, or no finite logit of a discriminator that doesn't learn.
        """
        algorithm, rows, learned = self.config.algorithm, own_rows(groups), rows_to_learn(groups)
        logits_N, metrics, after = None, dict[str, float](), None
        if algorithm.scoring == "update-then-score":
            logits_N, metrics = self._update(learned)
        fresh_N = logits_N
        with timed("scoring"):
            budget_tokens = self.config.engine.tokens_per_micro_batch
            logits_N = score(self.disc, rows, budget_tokens=budget_tokens, ranks=self.ranks)
        if algorithm.scoring == "score-then-update":

            def after() -> dict[str, float]:
                return self._update(learned)[1]

        if not self.ranks.total(int(logits_N.isfinite().sum())) and not algorithm.disc_updates:
            raise RilctlError(
                "the discriminator computes no finite logit for any row of a step, and `disc_updates` = 0",
                hint="use dtype = `float32`, or run `rilctl pretrain-disc` again in a new directory",
            )
        if fresh_N is None:
            metrics |= self._named(health(self.disc, logits_N, rows, ranks=self.ranks))
        else:
            metrics |= self._named(health(self.disc, fresh_N, learned, ranks=self.ranks))
        logits = [logit if isfinite(logit) else None for logit in logits_N.tolist()]
        threshold = self._threshold(logits, rows.is_student)
        if threshold is not None and self.config.discriminator.threshold == "calibrated":
            metrics["disc/threshold"] = threshold
        return Scored(logits, threshold, metrics, after)

    def _update(self, batch: LabelledRows) -> tuple[Tensor | None, dict[str, float]]:
        """The step's updates: logits before the first one, metrics of the last one."""
        first_N: Tensor | None = None
        report = dict[str, float]()
        for _ in range(self.config.algorithm.disc_updates):
            logits_N, report = update_discriminator(
                self.disc,
                self.engine,
                batch,
                optim=self.config.discriminator.optim,
                budget_tokens=self.config.engine.tokens_per_micro_batch,
                ranks=self.ranks,
            )
            first_N = logits_N if first_N is None else first_N
        if first_N is not None and self.config.discriminator.swaps_pictures:
            report |= swap_health(first_N, batch, ranks=self.ranks)
        return first_N, self._named(report)

    def _threshold(self, logits: Values, is_student: Sequence[bool]) -> float | None:
        """See `Scored`. Collective."""
        wanted = self.config.discriminator.threshold
        if wanted == "group" or self.disc.card.loss == "bradley-terry":
            return None
        if wanted == "fixed":
            return 0.0
        known = [(logit, side) for logit, side in zip(logits, is_student, strict=True) if logit is not None]
        students = self.ranks.gather_lists([logit for logit, side in known if side])
        return midpoint(students, self.ranks.gather_lists([logit for logit, side in known if not side]))

    @staticmethod
    def _named(report: Mapping[str, float]) -> dict[str, float]:
        return {f"disc/{name}": value for name, value in report.items()}


def own_rows(groups: Sequence[Group]) -> LabelledRows:
    """The groups' rows in order: what is scored."""
    rows = rows_of(groups)
    return LabelledRows(
        [DiscriminatorRow(group.sample.conversation, row.text) for group, row in rows],
        [row.side == "student" for _, row in rows],
        [index for index, group in enumerate(groups) for _ in group.rows],
    )


def rows_to_learn(groups: Sequence[Group]) -> LabelledRows:
    """The groups' rows, after each group's what the discriminator alone learns from.

    That is what the student said earlier, and what teachers said beside the group's swapped picture.
    """
    rows, is_student, group_ids = list[DiscriminatorRow](), list[bool](), list[int]()
    replayed, own_of = set[int](), dict[int, int]()

    def add(group: int, row: DiscriminatorRow, student: bool) -> int:
        rows.append(row)
        is_student.append(student)
        group_ids.append(group)
        return len(rows) - 1

    for index, group in enumerate(groups):
        asked, teachers = group.sample.conversation, list[int]()
        for row in group.rows:
            place = add(index, DiscriminatorRow(asked, row.text), row.side == "student")
            teachers += [place] if row.side == "teacher" else []
        replayed |= {add(index, DiscriminatorRow(asked, text), True) for text in group.earlier}
        if group.swapped is not None:
            own_of |= {add(index, DiscriminatorRow(group.swapped, rows[own].text), True): own for own in teachers}
    return LabelledRows(rows, is_student, group_ids, replayed, own_of)
