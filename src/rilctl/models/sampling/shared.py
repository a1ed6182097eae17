"""Decoding over one copy of the prompts' keys and values.

Shapes: B prompts, P prompt tokens, N rows, R tokens of the budget, T tokens so far, K key/value heads, D head size,
H hidden.
"""

from typing import Any

from torch import Tensor
from transformers import Cache

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.attention import PromptLayer, SharedPrompt, shared_attention
from rilctl.models.shared_prefix.prefix import Prefix
from rilctl.private.transformers import with_cache


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
            return newest_hidden(self._vlm, self._cache, tokens_N, position_N, **options)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._shared = SharedPrompt(self._mask_BP, self._shared.prompt_of_row_N[rows])
        for layer in self._layers:
            layer.keep(rows)


class RoomyLayer(PromptLayer):  # type: ignore[no-untyped-call]
    """A layer of the cache with room for all of the rows' own tokens.

    Args:
        prompt_keys_BKPD: keys.
        prompt_values_BKPD: values.
        num_rows: N.
        budget: R.
    """

    def __init__(self, prompt_keys_BKPD: Tensor, prompt_values_BKPD: Tensor, num_rows: int, budget: int) -> None:
        super().__init__(prompt_keys_BKPD, prompt_values_BKPD)
        self._keys_NKRD, self._values_NKRD = (
            part.new_zeros((num_rows, part.shape[1], budget, part.shape[3]))
            for part in (prompt_keys_BKPD, prompt_values_BKPD)
        )


class GrowingLayer(RoomyLayer):  # type: ignore[no-untyped-call]
    """Gives the attention the tokens that are there."""

    _num_tokens = 0

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


def newest_hidden(vlm: Vlm, cache: Any, tokens_N: Tensor, position_N: Tensor, **options: Any) -> Tensor:
    """Append a token to each row of a cache; hidden_NH predicts the next one."""
    out = vlm.backbone(
        input_ids=tokens_N[:, None],
        position_ids=vlm.family.positions.of_responses(position_N, 1),
        use_cache=True,
        **with_cache(vlm.backbone, cache),
        **options,
    )
    hidden_NH: Tensor = out.last_hidden_state[:, -1]
    return hidden_NH
