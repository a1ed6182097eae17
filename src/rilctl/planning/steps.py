"""How many tokens a step has, and how many of them go through a model at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean

from rilctl.planning.activations import Batch


@dataclass(frozen=True)
class Prompts:
    """Prompt lengths of a data set.

    Args:
        tokens: of each prompt, pictures and template included.
        image_tokens: of each prompt's pictures.
        at_most: of the longest, where that isn't among them.
    """

    tokens: Sequence[int]
    image_tokens: Sequence[int]
    at_most: int | None = None

    @property
    def mean_tokens(self) -> float:
        """Of a prompt."""
        return fmean(self.tokens) if self.tokens else 0.0

    @property
    def longest(self) -> int:
        """Tokens of the longest."""
        return self.at_most or max(self.tokens, default=0)

    @property
    def most_image_tokens(self) -> int:
        """Tokens of the pictures of the prompt that has most."""
        return max(self.image_tokens, default=0)


@dataclass(frozen=True)
class MicroBatches:
    """How a step is cut.

    Args:
        largest: what goes through the model at once.
        num: how many of them a step has.
    """

    largest: Batch
    num: int


def cut_step(
    *,
    groups: int,
    rows: int,
    row_tokens: int,
    prompt_tokens: int,
    image_tokens: int,
    patches_per_token: int,
    budget_tokens: int,
    shared_by_all: bool = False,
) -> MicroBatches:
    """The largest micro-batch of a step, and their number: whole groups under a budget, one at least.

    Args:
        groups: of the step.
        rows: of each group.
        row_tokens: of each row.
        prompt_tokens: of the prompt that a group's rows share.
        image_tokens: of its pictures.
        patches_per_token: see `Anatomy`.
        budget_tokens: `tokens_per_micro_batch`.
        shared_by_all: all groups have one and the same prompt, which goes through once.
    """
    at_once = min(groups, max(1, budget_tokens // max(1, prompt_tokens + rows * row_tokens)))
    prompts = 1 if shared_by_all else at_once
    largest = Batch(prompts, prompt_tokens, at_once * rows, row_tokens, prompts * image_tokens * patches_per_token)
    return MicroBatches(largest, ceil(groups / at_once))
