"""What a discriminator learns from: responses whose authors are known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.models.loaded.processor import EncodedPrompt


@dataclass(frozen=True)
class LabelledRows:
    """Responses whose authors are known.

    Args:
        rows: the responses.
        is_student: True for the student's.
        group_ids: rows of one group are neighbours, and share a prompt; Bradley-Terry compares within groups only.
    """

    rows: Sequence[DiscriminatorRow]
    is_student: Sequence[bool]
    group_ids: Sequence[int]

    def parts(self, disc: Discriminator, prompts: Sequence[EncodedPrompt], budget_tokens: int) -> Iterator[list[int]]:
        """Indices of the rows that go through the discriminator at once: whole groups; see `micro_batches`."""
        groups = [list(members) for _, members in groupby(range(len(self.rows)), key=self.group_ids.__getitem__)]
        lengths = [disc.num_response_tokens(row) for row in self.rows]
        sizes = [
            GroupSize(len(prompts[rows[0]].token_ids_P), len(rows), max(lengths[index] for index in rows))
            for rows in groups
        ]
        for picks in micro_batches(sizes, budget_tokens):
            yield [index for pick in picks for index in groups[pick]]
