"""The discriminator in a step: it learns the step's rows, and scores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from torch import Tensor

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
    metrics: dict[str, float]
    """Of all ranks' rows."""


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
        """Updates, then scores; health is of rows not yet learned. Collective.

        Raises:
            RilctlError: too many bad steps in a row, or no finite logit of a discriminator that doesn't learn.
        """
        rows, learned = own_rows(groups), rows_to_learn(groups)
        fresh_N, metrics = self._update(learned)
        with timed("scoring"):
            budget_tokens = self.config.engine.tokens_per_micro_batch
            logits_N = score(self.disc, rows, budget_tokens=budget_tokens, ranks=self.ranks)
        if not self.ranks.total(int(logits_N.isfinite().sum())) and fresh_N is None:
            raise RilctlError(
                "the discriminator computes no finite logit for any row of a step, and `disc_updates` = 0",
                hint="use dtype = `float32`, or run `rilctl pretrain-disc` again in a new directory",
            )
        seen_N, seen = (logits_N, rows) if fresh_N is None else (fresh_N, learned)
        metrics |= self._named(health(self.disc, seen_N, seen, ranks=self.ranks))
        return Scored([logit if isfinite(logit) else None for logit in logits_N.tolist()], metrics)

    def _update(self, batch: LabelledRows) -> tuple[Tensor | None, dict[str, float]]:
        """The step's updates: logits before the first one, metrics of the last one; None where it doesn't learn."""
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
    """The groups' rows, after each group's what its teachers said beside its swapped picture."""
    rows, is_student, group_ids = list[DiscriminatorRow](), list[bool](), list[int]()
    own_of = dict[int, int]()

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
        if group.swapped is not None:
            own_of |= {add(index, DiscriminatorRow(group.swapped, rows[own].text), True): own for own in teachers}
    return LabelledRows(rows, is_student, group_ids, own_of)
