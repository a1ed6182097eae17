"""One token after another for many rows, the prompt's keys and values stored once for all rows of a group.

Shapes: B prompts, G rows of the largest group, N rows, P prompt tokens, R tokens of the budget, T tokens so far,
K key/value heads, Q query heads of each, D head size, H hidden.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rilctl.models.forward import expand_cache, response_positions
from rilctl.models.vlm import Vlm

SHARED = "rilctl_shared_prompt"
"""Name of our attention; without a mask function of that name, the library builds no mask."""
SHARING = ("qwen2", "qwen3", "llama", "qwen2_5_vl_text", "qwen3_vl_text")
"""Language models whose attention is softmax(q k) v over all earlier tokens, and nothing else."""


class Decoding(Protocol):
    """Rows under way."""

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """Append a token to every row; hidden_NH predicts the next one."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""


def start_decoding(vlm: Vlm, cache: Any, mask_BP: Tensor, prompt_of_row_N: Tensor, budget: int) -> Decoding:
    """Rows that go on from prompts.

    Args:
        vlm: the model.
        cache: of the prompts.
        mask_BP: True at real prompt tokens, which are on the right.
        prompt_of_row_N: index of each row's prompt; rows of a prompt are neighbours.
        budget: tokens that a row may get.
    """
    shares = vlm.model.config.get_text_config().model_type in SHARING
    if shares and all(type(layer) is DynamicLayer for layer in cache.layers):
        return SharedPrompt(vlm, cache, mask_BP, prompt_of_row_N, budget)
    return RepeatedPrompt(vlm, cache, mask_BP, prompt_of_row_N)


class RepeatedPrompt:
    """Each row has a copy of its prompt's keys and values: for language models with an attention of their own."""

    def __init__(self, vlm: Vlm, cache: Any, mask_BP: Tensor, prompt_of_row_N: Tensor) -> None:
        self._vlm = vlm
        self._cache = cache
        self._mask_NS = mask_BP[prompt_of_row_N]
        expand_cache(cache, prompt_of_row_N)

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        self._mask_NS = torch.nn.functional.pad(self._mask_NS, (0, 1), value=1)
        return _forward(self._vlm, self._cache, tokens_N, position_N, attention_mask=self._mask_NS)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._mask_NS = self._mask_NS[rows]
        expand_cache(self._cache, rows)


class SharedPrompt:
    """The prompt's keys and values once for each prompt; the rows' own in buffers that don't grow."""

    def __init__(self, vlm: Vlm, cache: Any, mask_BP: Tensor, prompt_of_row_N: Tensor, budget: int) -> None:
        self._vlm = vlm
        self._prompt_of_row_N = prompt_of_row_N
        self._layers = [OwnTokens(layer.keys, layer.values, len(prompt_of_row_N), budget) for layer in cache.layers]
        self._cache = Cache(layers=list(self._layers))
        hidden_BP = mask_BP == 0
        self._padding_BP = hidden_BP if hidden_BP.any() else None
        self._arrange()

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        with _attention(self._vlm, SHARED):
            return _forward(self._vlm, self._cache, tokens_N, position_N, shared_prompt=self)

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._prompt_of_row_N = self._prompt_of_row_N[rows]
        for layer in self._layers:
            layer.keep(rows)
        self._arrange()

    def attend(self, layer_index: int, query_NKQD: Tensor, scaling: float) -> Tensor:
        """Attention of each row's newest token over its prompt and its own tokens: out_NKQD."""
        layer = self._layers[layer_index]
        query_NKQD = query_NKQD * scaling
        num_kv, num_query, size = query_NKQD.shape[1:]
        # all rows of a prompt in one matrix product: (G x Q) by D on D by P
        grid_BKXD = query_NKQD[self._row_of_place_BG].transpose(1, 2).flatten(2, 3)
        own = _partial(query_NKQD, layer.own_keys, layer.own_values, None)
        prompt = _partial(grid_BKXD, layer.prompt_keys_BKPD, layer.prompt_values_BKPD, self._padding_BP)

        def rows(values_BKX: Tensor) -> Tensor:
            shape = (len(values_BKX), num_kv, -1, num_query, values_BKX.shape[-1])
            return values_BKX.view(shape).transpose(1, 2).flatten(0, 1)[self._place_of_row_N]

        top, total, sums = (rows(part) for part in prompt)
        own_top, own_total, own_sums = own
        highest = torch.maximum(top, own_top)
        weight, own_weight = (top - highest).exp(), (own_top - highest).exp()
        out = (sums * weight + own_sums * own_weight) / (total * weight + own_total * own_weight)
        return out.to(query_NKQD.dtype).view(-1, num_kv, num_query, size)

    def _arrange(self) -> None:
        """Where rows stand in the grid of prompts by rows; a place without a row repeats row 0 and is not read."""
        prompts = self._prompt_of_row_N
        num_prompts = len(self._layers[0].prompt_keys_BKPD)
        counts_B = torch.bincount(prompts, minlength=num_prompts)
        start_B = counts_B.cumsum(0) - counts_B
        width = int(counts_B.max())
        columns_N = torch.arange(len(prompts), device=prompts.device) - start_B[prompts]
        self._place_of_row_N = prompts * width + columns_N
        places = torch.zeros(num_prompts * width, dtype=torch.long, device=prompts.device)
        places[self._place_of_row_N] = torch.arange(len(prompts), device=prompts.device)
        self._row_of_place_BG = places.view(num_prompts, width)


class OwnTokens(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer of the cache: it gives the attention the rows' own tokens, and knows their prompts'.

    Args:
        prompt_keys_BKPD: keys.
        prompt_values_BKPD: values.
        num_rows: N.
        budget: R.
    """

    def __init__(self, prompt_keys_BKPD: Tensor, prompt_values_BKPD: Tensor, num_rows: int, budget: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.prompt_keys_BKPD = prompt_keys_BKPD
        self.prompt_values_BKPD = prompt_values_BKPD
        self._keys_NKRD, self._values_NKRD = (
            part.new_empty((num_rows, part.shape[1], budget, part.shape[3]))
            for part in (prompt_keys_BKPD, prompt_values_BKPD)
        )
        self._num_tokens = 0
        self.is_initialized = True

    @property
    def own_keys(self) -> Tensor:
        """own_keys_NKTD."""
        return self._keys_NKRD[:, :, : self._num_tokens]

    @property
    def own_values(self) -> Tensor:
        """own_values_NKTD."""
        return self._values_NKRD[:, :, : self._num_tokens]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take the newest token's."""
        self._keys_NKRD[:, :, self._num_tokens] = key_states[:, :, 0]
        self._values_NKRD[:, :, self._num_tokens] = value_states[:, :, 0]
        self._num_tokens += 1
        return self.own_keys, self.own_values

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self._keys_NKRD, self._values_NKRD = self._keys_NKRD[rows], self._values_NKRD[rows]

    def get_seq_length(self) -> int:
        """Tokens before the newest one, the prompt's included."""
        return int(self.prompt_keys_BKPD.shape[2]) + self._num_tokens


def _partial(query: Tensor, keys: Tensor, values: Tensor, padding_BP: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """A softmax over part of the keys, not yet normalised: largest score, sum of exponentials, sum of values."""
    scores = (query @ keys.transpose(-1, -2)).float()
    if padding_BP is not None:
        scores = scores.masked_fill(padding_BP[:, None, None], -torch.inf)
    top = scores.amax(-1, keepdim=True)
    exps = (scores - top).exp_()
    return top, exps.sum(-1, keepdim=True), (exps.to(values.dtype) @ values).float()


def _shared_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, *, scaling: float, **options: Any
) -> tuple[Tensor, None]:
    shared: SharedPrompt = options["shared_prompt"]
    num_rows, num_heads, _, size = query.shape
    grouped = query.view(num_rows, key.shape[1], num_heads // key.shape[1], size)
    return shared.attend(module.layer_idx, grouped, scaling).reshape(num_rows, 1, num_heads, size), None


ALL_ATTENTION_FUNCTIONS.register(SHARED, _shared_attention)


@contextmanager
def _attention(vlm: Vlm, name: str) -> Iterator[None]:
    config = vlm.model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


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
