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
from rilctl.stages.shared.disc_update import health, score, update_discriminator
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
        rows = labelled(groups)
        fresh_N, metrics = self._update(rows)
        with timed("scoring"):
            budget_tokens = self.config.engine.tokens_per_micro_batch
            logits_N = score(self.disc, rows, budget_tokens=budget_tokens, ranks=self.ranks)
        if not self.ranks.total(int(logits_N.isfinite().sum())) and fresh_N is None:
            raise RilctlError(
                "the discriminator computes no finite logit for any row of a step, and `disc_updates` = 0",
                hint="use dtype = `float32`, or run `rilctl pretrain-disc` again in a new directory",
            )
        metrics |= self._named(health(self.disc, logits_N if fresh_N is None else fresh_N, rows, ranks=self.ranks))
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
        return first_N, self._named(report)

    @staticmethod
    def _named(report: Mapping[str, float]) -> dict[str, float]:
        return {f"disc/{name}": value for name, value in report.items()}


def labelled(groups: Sequence[Group]) -> LabelledRows:
    """The groups' rows in order."""
    rows = rows_of(groups)
    return LabelledRows(
        [DiscriminatorRow(group.sample.conversation, row.text) for group, row in rows],
        [row.side == "student" for _, row in rows],
        [index for index, group in enumerate(groups) for _ in group.rows],
    )
