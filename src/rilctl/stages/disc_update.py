"""One discriminator update, shared by `pretrain-disc` and `train`. Shapes: N rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from rilctl.algorithms.disc_loss import DISC_LOSSES, count_pairs
from rilctl.algorithms.disc_metrics import disc_metrics
from rilctl.engines.training.base import TrainingEngine
from rilctl.models.discriminator import Discriminator, DiscriminatorRow


@dataclass(frozen=True)
class LabelledRows:
    """Responses whose authors are known.

    Args:
        rows: the responses.
        is_student: True for the student's.
        group_ids: rows of one group are neighbours; Bradley-Terry compares within groups only.
    """

    rows: Sequence[DiscriminatorRow]
    is_student: Sequence[bool]
    group_ids: Sequence[int]

    def groups(self, max_rows: int) -> Iterator[slice]:
        """Slices of whole groups, of at most `max_rows` rows unless a single group is larger."""
        start = end = 0
        for _, members in groupby(self.group_ids):
            size = len(list(members))
            if end > start and end + size - start > max_rows:
                yield slice(start, end)
                start = end
            end += size
        if end > start:
            yield slice(start, end)


def update_discriminator(
    disc: Discriminator, engine: TrainingEngine, batch: LabelledRows, *, max_rows: int
) -> tuple[Tensor, dict[str, float]]:
    """Learn who said what, once.

    Returns:
        The rows' logits before the update (student is high), and `loss`, `grad_norm`.
    """
    labels_N = torch.tensor(batch.is_student, dtype=torch.float32)
    group_ids_N = torch.tensor(batch.group_ids)
    num_pairs = count_pairs(labels_N, group_ids_N)
    num_students = int(labels_N.sum())
    loss_of, logits, total = DISC_LOSSES[disc.card.loss], [], 0.0
    for part in batch.groups(max_rows):
        logits_n = disc(batch.rows[part])
        device = logits_n.device
        loss = loss_of(
            logits_n,
            labels_N[part].to(device),
            group_ids_N[part].to(device),
            num_students=num_students,
            num_teachers=len(labels_N) - num_students,
            num_pairs=num_pairs,
        )
        engine.backward(loss)
        logits.append(logits_n.detach().cpu())
        total += float(loss.detach())
    report = engine.step()
    return torch.cat(logits), {"loss": total, "grad_norm": report.grad_norm}


@torch.no_grad()
def score(disc: Discriminator, batch: LabelledRows, *, max_rows: int) -> Tensor:
    """The rows' logits, student is high."""
    return torch.cat([disc(batch.rows[part]).cpu() for part in batch.groups(max_rows)])


def health(disc: Discriminator, logits_N: Tensor, is_student: Sequence[bool]) -> dict[str, float]:
    """`disc_metrics` of rows that the discriminator has not learned from; read as its loss wants."""
    labels_N = torch.tensor(is_student, dtype=torch.float32)
    return disc_metrics(logits_N, labels_N, logits_have_zero=disc.card.loss == "bce")
