"""Which groups go through a model at once: of similar length, so that little is padding, under a budget of tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupSize:
    """What a group costs.

    Args:
        prompt_tokens: of the prompt that its rows share.
        num_rows: its rows.
        response_tokens: of its longest row.
    """

    prompt_tokens: int
    num_rows: int
    response_tokens: int


def micro_batches(sizes: Sequence[GroupSize], budget_tokens: int) -> Iterator[list[int]]:
    """Indices of whole groups, each exactly once, the shorter groups first.

    Args:
        sizes: of all groups of a step.
        budget_tokens: largest number of tokens of a micro-batch, padding included; a group that is larger by itself
            is a micro-batch of its own.
    """
    order = sorted(range(len(sizes)), key=lambda index: sizes[index].prompt_tokens + sizes[index].response_tokens)
    waiting: list[int] = []
    for index in order:
        if waiting and padded_tokens([sizes[i] for i in (*waiting, index)]) > budget_tokens:
            yield waiting
            waiting = []
        waiting.append(index)
    if waiting:
        yield waiting


def padded_tokens(sizes: Sequence[GroupSize]) -> int:
    """Tokens that the model sees: prompts padded to the longest, rows padded to the longest."""
    prompts = len(sizes) * max(size.prompt_tokens for size in sizes)
    return prompts + sum(size.num_rows for size in sizes) * max(size.response_tokens for size in sizes)
