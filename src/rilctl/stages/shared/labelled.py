"""What a discriminator learns from: responses whose authors are known, and what is told from what among them."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from rilctl.algorithms.disc_loss import DiscLoss, count_pairs
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.models.loaded.processor import EncodedPrompt


@dataclass(frozen=True)
class LabelledRows:
    """Responses whose authors are known.

    Args:
        rows: the responses.
        is_student: True for the student's, and for a teacher's beside a swapped picture: what is not a teacher's.
        group_ids: rows of one group are neighbours; Bradley-Terry compares within groups only.
        own_of: of each row beside a swapped picture, which row has the same response beside its own.
    """

    rows: Sequence[DiscriminatorRow]
    is_student: Sequence[bool]
    group_ids: Sequence[int]
    own_of: Mapping[int, int] = field(default_factory=dict)

    @property
    def unswapped(self) -> list[int]:
        """Indices of the rows beside their own pictures."""
        return [index for index in range(len(self.rows)) if index not in self.own_of]

    def parts(self, disc: Discriminator, prompts: Sequence[EncodedPrompt], budget_tokens: int) -> Iterator[list[int]]:
        """Indices of the rows that go through the discriminator at once: whole groups; see `micro_batches`."""
        groups = [list(members) for _, members in groupby(range(len(self.rows)), key=self.group_ids.__getitem__)]
        lengths = [disc.num_response_tokens(row) for row in self.rows]
        sizes = [
            GroupSize(_prompt_tokens(prompts, rows), len(rows), max(lengths[index] for index in rows))
            for rows in groups
        ]
        for picks in micro_batches(sizes, budget_tokens):
            yield [index for pick in picks for index in groups[pick]]


@dataclass(frozen=True)
class Contest:
    """Rows that are told from the teachers' own, with the teachers' own.

    Args:
        rows: their indices in the batch.
        labels_N: of all rows of the batch.
        group_ids_N: of all rows of the batch.
        num_students: rows of all ranks that are no teacher's own.
        num_teachers: rows of all ranks that are.
        num_pairs: of both within groups, of all ranks.
    """

    rows: Set[int]
    labels_N: Tensor
    group_ids_N: Tensor
    num_students: int
    num_teachers: int
    num_pairs: int

    def loss(self, loss_of: DiscLoss, logits_n: Tensor, part: Sequence[int]) -> Tensor:
        """What a micro-batch adds, of those rows of it that are among these.

        Args:
            loss_of: the discriminator's.
            logits_n: of the micro-batch.
            part: indices of its rows in the batch.
        """
        places = [place for place, row in enumerate(part) if row in self.rows]
        rows = [part[place] for place in places]
        return loss_of(
            logits_n[places],
            self.labels_N[rows].to(logits_n),
            self.group_ids_N[rows],
            num_students=self.num_students,
            num_teachers=self.num_teachers,
            num_pairs=self.num_pairs,
        )


def contests(batch: LabelledRows, device: torch.device, ranks: Ranks) -> list[Contest]:
    """Students against teachers, and where there are any, swapped pictures against teachers. Collective.

    The mean of both losses is the batch's: each has the teachers' side whole, so that what is no teacher's weighs as
    much as without swapped pictures, and students half of it, however many rows are swapped.
    """
    labels_N = torch.tensor(batch.is_student, dtype=torch.float32)
    group_ids_N = torch.tensor(batch.group_ids, dtype=torch.long)
    teachers = {index for index, is_student in enumerate(batch.is_student) if not is_student}
    sides = [{*range(len(batch.rows))} - teachers - batch.own_of.keys(), {*batch.own_of}]
    found = []
    for side in sides if ranks.total(len(batch.own_of)) else sides[:1]:
        rows = sorted(side | teachers)
        num_pairs = ranks.total(count_pairs(labels_N[rows], group_ids_N[rows]))
        num_students, num_teachers = ranks.total(len(side)), ranks.total(len(teachers))
        tensors = labels_N.to(device), group_ids_N.to(device)
        found.append(Contest({*rows}, *tensors, num_students, num_teachers, num_pairs))
    return found


def _prompt_tokens(prompts: Sequence[EncodedPrompt], rows: Sequence[int]) -> int:
    """Of all prompts of a group; beside a swapped picture a question is another prompt."""
    different = {id(prompts[row]): len(prompts[row].token_ids_P) for row in rows}
    return sum(different.values())
