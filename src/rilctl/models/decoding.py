"""One token after another for many rows that go on from prompts.

Shapes: B prompts, N rows, P prompt tokens, R tokens of the budget, T tokens so far, K key/value heads, D head size,
H hidden, S tokens of prompt and row.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from rilctl.models.graphed import GraphedDecoding
from rilctl.models.places import response_positions
from rilctl.models.prefix import Prefix, expanded
from rilctl.models.repeated import RepeatedDecoding
from rilctl.models.shared_prompt import PromptLayer, SharedPrompt, can_share, shared_attention
from rilctl.models.vlm import Vlm


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
    if vlm.family == "other":
        return RepeatedDecoding(vlm, prefix.cache, len(prompt_of_row_N))
    if not can_share(vlm, prefix.cache):
        return CopiedDecoding(vlm, prefix, prompt_of_row_N)
    form = GraphedDecoding if vlm.device.type == "cuda" else SharedDecoding
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
        return _forward(self._vlm, self._cache, tokens_N, position_N, attention_mask=self._mask_NS)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._mask_NS = self._mask_NS[rows]
        self._cache = expanded(self._cache, rows)


class SharedDecoding:
    """The prompt's keys and values once for each prompt; the rows' own in buffers that don't grow."""

    def __init__(self, vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, budget: int) -> None:
        self._vlm = vlm
        self._mask_BP = prefix.batch.mask_BP
        num_rows = len(prompt_of_row_N)
        self._layers = [GrowingLayer(layer.keys, layer.values, num_rows, budget) for layer in prefix.cache.layers]
        self._cache = Cache(layers=list(self._layers))
        self._shared = SharedPrompt(self._mask_BP, prompt_of_row_N)

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        options = {"shared_prompt": self._shared, "prompt_layers": self._layers}
        with shared_attention(self._vlm):
            return _forward(self._vlm, self._cache, tokens_N, position_N, **options)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._shared = SharedPrompt(self._mask_BP, self._shared.prompt_of_row_N[rows])
        for layer in self._layers:
            layer.keep(rows)


class GrowingLayer(PromptLayer):  # type: ignore[no-untyped-call]
    """A layer of the cache that gives the attention all of the rows' own tokens.

    Args:
        prompt_keys_BKPD: keys.
        prompt_values_BKPD: values.
        num_rows: N.
        budget: R.
    """

    def __init__(self, prompt_keys_BKPD: Tensor, prompt_values_BKPD: Tensor, num_rows: int, budget: int) -> None:
        super().__init__(prompt_keys_BKPD, prompt_values_BKPD)
        self._keys_NKRD, self._values_NKRD = (
            part.new_empty((num_rows, part.shape[1], budget, part.shape[3]))
            for part in (prompt_keys_BKPD, prompt_values_BKPD)
        )
        self._num_tokens = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take the newest token's; all so far, keys_NKTD and values_NKTD."""
        self._keys_NKRD[:, :, self._num_tokens] = key_states[:, :, 0]
        self._values_NKRD[:, :, self._num_tokens] = value_states[:, :, 0]
        self._num_tokens += 1
        return self._keys_NKRD[:, :, : self._num_tokens], self._values_NKRD[:, :, : self._num_tokens]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self._keys_NKRD, self._values_NKRD = self._keys_NKRD[rows], self._values_NKRD[rows]

    def get_seq_length(self) -> int:
        """Tokens of prompt and row."""
        return super().get_seq_length() + self._num_tokens


def _forward(vlm: Vlm, cache: Any, tokens_N: Tensor, position_N: Tensor, **options: Any) -> Tensor:
    out = vlm.backbone(
        input_ids=tokens_N[:, None],
        position_ids=response_positions(vlm, position_N, 1),
        past_key_values=cache,
        use_cache=True,
        **options,
    )
    hidden_NH: Tensor = out.last_hidden_state[:, -1]
    return hidden_NH
