"""One token after another for many rows that go on from prompts.

Shapes: N rows, H hidden.
"""

from typing import Protocol

import torch
from torch import Tensor

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.sampling.recorded import RecordedDecoding
from rilctl.models.sampling.shared import SharedDecoding, newest_hidden
from rilctl.models.shared_prefix.attention import can_share
from rilctl.models.shared_prefix.prefix import Prefix, expanded
from rilctl.models.shared_prefix.repeated import RepeatedDecoding


class Decoding(Protocol):
    """Rows under way."""

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """Append a token to every row; hidden_NH predicts the next one."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""


def start_decoding(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, budget: int) -> Decoding:
    """Rows that go on from prompts.

    Args:
        vlm: the model.
        prefix: the prompts.
        prompt_of_row_N: index of each row's prompt.
        budget: tokens that a row may get.
    """
    if not vlm.family.shares_prompts:
        return RepeatedDecoding(vlm, prefix.cache, len(prompt_of_row_N))
    if not can_share(vlm, prefix.cache):
        return CopiedDecoding(vlm, prefix, prompt_of_row_N)
    form = RecordedDecoding if vlm.device.type == "cuda" else SharedDecoding
    return form(vlm, prefix, prompt_of_row_N, budget)


class CopiedDecoding:
    """Each row has a copy of its prompt's keys and values: for language models with an attention of their own."""

    def __init__(self, vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor) -> None:
        self._vlm = vlm
        self._cache = expanded(prefix.cache, prompt_of_row_N)
        self._mask_NS = prefix.batch.mask_BP[prompt_of_row_N]

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        self._mask_NS = torch.nn.functional.pad(self._mask_NS, (0, 1), value=1)
        return newest_hidden(self._vlm, self._cache, tokens_N, position_N, attention_mask=self._mask_NS)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._mask_NS = self._mask_NS[rows]
        self._cache = expanded(self._cache, rows)
