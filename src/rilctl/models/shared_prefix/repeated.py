"""Families that we know nothing of: the prompt is repeated for each row, and the library's own forward places tokens.

What may not hold for them: that a key/value cache can be handed to other rows, that positions follow from the
attention mask, that image tensors of different prompts can be joined. So each prompt is a batch of its own.

Shapes: B prompts, N rows, R response tokens, S = R + 1, H hidden.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import pad_token_id
from rilctl.models.shared_prefix.checkpointing import recomputing
from rilctl.models.shared_prefix.sequence import sequence_hidden
from rilctl.private.transformers import with_cache


def repeated_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """The hidden states hidden_NSH that `group_hidden` gives for families it knows."""
    parts, order = list[Tensor](), list[Tensor]()
    for index, prompt in enumerate(prompts):
        rows = (prompt_of_row_N.to(mask_NR.device) == index).nonzero()[:, 0]
        with recomputing(vlm):
            parts.append(sequence_hidden(vlm, [prompt] * len(rows), token_ids_NR[rows], mask_NR[rows]))
        order.append(rows)
    return torch.cat(parts)[torch.cat(order).argsort()]


class RepeatedDecoding:
    """A `Decoding` of rows with the same prompt, which was computed for each; rows that ended stay in the batch.

    Args:
        vlm: the model, which may keep positions of its rows to itself.
        cache: of N times the prompt.
        num_rows: N.
    """

    def __init__(self, vlm: Vlm, cache: Any, num_rows: int) -> None:
        self._vlm = vlm
        self._with_cache = with_cache(vlm.backbone, cache)
        self._tokens_N = torch.full((num_rows,), pad_token_id(vlm), device=vlm.device)
        self._alive = torch.arange(num_rows, device=vlm.device)

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        self._tokens_N[self._alive] = tokens_N
        out = self._vlm.backbone(input_ids=self._tokens_N[:, None], use_cache=True, **self._with_cache)
        hidden_NH: Tensor = out.last_hidden_state[self._alive, -1]
        return hidden_NH

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._alive = self._alive[rows]
