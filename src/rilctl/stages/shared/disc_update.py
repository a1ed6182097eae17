"""One discriminator update, shared by `pretrain-disc` and `train`. Shapes: N rows."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from rilctl.algorithms.disc_loss import DISC_LOSSES, count_pairs
from rilctl.algorithms.disc_metrics import disc_metrics
from rilctl.clock import timed
from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.errors import DataError, RowError
from rilctl.models.discriminator import Discriminator
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.shared.labelled import LabelledRows


def update_discriminator(
    disc: Discriminator,
    engine: TrainingEngine,
    batch: LabelledRows,
    *,
    optim: OptimConfig,
    budget_tokens: int,
    ranks: Ranks,
) -> tuple[Tensor, dict[str, float]]:
    """Learn who said what, once. Collective.

    Args:
        disc: learns.
        engine: its optimizer.
        batch: this rank's rows; groups are whole.
        optim: the optimizer's table.
        budget_tokens: of a micro-batch.
        ranks: whose rows together are the batch.

    Returns:
        This rank's logits before the update (student is high), and the batch's metrics, see `step_metrics`.

    Raises:
        RilctlError: as `step_metrics`.
    """
    labels_N = torch.tensor(batch.is_student, dtype=torch.float32)
    group_ids_N = torch.tensor(batch.group_ids, dtype=torch.long)
    num_pairs = ranks.total(count_pairs(labels_N, group_ids_N))
    num_students, num_rows = ranks.total(sum(batch.is_student)), ranks.total(len(batch.rows))
    labels_N, group_ids_N = labels_N.to(disc.vlm.device), group_ids_N.to(disc.vlm.device)
    loss_of, sums = DISC_LOSSES[disc.card.loss], DeviceSums()
    order, logits = list[int](), list[Tensor]()
    for part in _padded_parts(disc, batch, budget_tokens, ranks):
        logits_n = disc([batch.rows[index] for index in part])
        loss = loss_of(
            logits_n,
            labels_N[part].to(logits_n),
            group_ids_N[part],
            num_students=num_students,
            num_teachers=num_rows - num_students,
            num_pairs=num_pairs,
        )
        engine.backward(loss)
        order += part
        logits.append(logits_n.detach())
        sums.add({"loss": loss})
    report = engine.step()
    loss_sum = ranks.add_up(sums.read())["loss"]
    return _in_order(logits, order), step_metrics("discriminator", loss_sum, report, optim)


@torch.no_grad()
def score(disc: Discriminator, batch: LabelledRows, *, budget_tokens: int, ranks: Ranks) -> Tensor:
    """The logits of this rank's rows, student is high. Collective."""
    order, logits = list[int](), list[Tensor]()
    for part in _padded_parts(disc, batch, budget_tokens, ranks):
        logits.append(disc([batch.rows[index] for index in part]))
        order += part
    return _in_order(logits, order)


def _padded_parts(disc: Discriminator, batch: LabelledRows, budget_tokens: int, ranks: Ranks) -> Iterator[list[int]]:
    """`LabelledRows.parts`, with empty ones so that all ranks have equally many. Collective.

    All rows' prompts are held until the last part is taken, so that none is encoded twice.

    Raises:
        DataError: a picture can't be read any more, or another took its place; it could be when the run began.
    """
    with ranks.together():
        try:
            with timed("pictures"):
                prompts = [disc.encode(row) for row in batch.rows]
        except RowError as error:
            hint = "put it back as it was; the same command goes on from the last checkpoint"
            raise DataError(error.message, hint=hint) from error
        parts = list(batch.parts(disc, prompts, budget_tokens))
    yield from ranks.padded(parts, [], least=int(disc.vlm.stand_in is not None))


def _in_order(logits: Sequence[Tensor], order: Sequence[int]) -> Tensor:
    """The micro-batches' logits in the order of the rows, on the host."""
    return torch.cat(list(logits)).cpu()[torch.tensor(order, dtype=torch.long).argsort()]


def health(disc: Discriminator, logits_N: Tensor, batch: LabelledRows, *, ranks: Ranks) -> dict[str, float]:
    """`disc_metrics` of all ranks' rows, not yet learned from; read as the discriminator's loss wants. Collective."""
    logits_N = torch.tensor(ranks.gather_lists(logits_N.tolist()), dtype=logits_N.dtype)
    labels_N = torch.tensor(ranks.gather_lists(batch.is_student), dtype=torch.float32)
    return disc_metrics(logits_N, labels_N, logits_have_zero=disc.card.logits_have_zero)
