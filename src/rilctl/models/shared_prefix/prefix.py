"""Prompts computed once, with their images, for all rows that go on from them.

Every row of a group shares its images and question. `compute_prefix` runs the vision tower and the prompt once per
prompt; `group_hidden` hands the key/value cache (with its gradients) to the group's rows, and runs only the responses.

Nobody reads the prompt's hidden states but at its last token, nor a discriminator a response's but at its last one:
what follows the attention in the last layer is not computed for the others.

Shapes: B prompts, P prompt tokens, N rows, R response tokens, T tokens, H hidden.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch, collate_prompts
from rilctl.models.shared_prefix.attention import (
    PromptLayer,
    SharedPrompt,
    can_learn_shared,
    is_plain,
    shared_attention,
)
from rilctl.models.shared_prefix.inputs import image_inputs, places
from rilctl.private.transformers import cache_of, with_cache


@dataclass(frozen=True)
class Prefix:
    """What rows go on from.

    Args:
        batch: the prompts.
        cache: their keys and values.
        last_hidden_BH: the hidden state that predicts a row's first token.
        next_position_B: the position of a row's first token.
    """

    batch: PromptBatch
    cache: Any
    last_hidden_BH: Tensor
    next_position_B: Tensor


def compute_prefix(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> Prefix:
    """Run the prompts, with their gradients where they are wanted."""
    batch = collate_prompts(vlm, prompts)
    where, next_position_B = places(vlm, batch)
    with _last_layer_at(vlm):
        out = vlm.backbone(
            input_ids=batch.token_ids_BP,
            attention_mask=batch.mask_BP,
            use_cache=True,
            **where,
            **image_inputs(vlm, batch),
        )
    return Prefix(batch, cache_of(out), out.last_hidden_state[:, -1], next_position_B)


def expanded(cache: Any, rows: Tensor) -> Any:
    """A cache of the rows asked for; gradients flow to the prompts."""
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in copied.layers:
        layer.keys = layer.keys.index_select(0, rows)
        layer.values = layer.values.index_select(0, rows)
    return copied


def group_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """Hidden states at the prompt's last token and at every response token.

    Args:
        vlm: the model.
        prefix: B prompts.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        mask_NR: True at real response tokens.

    Returns:
        hidden_NSH with S = R + 1: column 0 predicts the first response token, column t the one after token t.
    """
    first_N1H = prefix.last_hidden_BH[:, None].index_select(0, prompt_of_row_N)
    if token_ids_NR.shape[1] == 0:
        return first_N1H
    return torch.cat([first_N1H, _rows_hidden(vlm, prefix, prompt_of_row_N, token_ids_NR, mask_NR)], 1)


def last_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """hidden_NH at each row's last real token; every row has one."""
    last_N = mask_NR.sum(1) - 1
    with _last_layer_at(vlm, last_N):
        hidden_NRH = _rows_hidden(vlm, prefix, prompt_of_row_N, token_ids_NR, mask_NR)
    hidden_NH: Tensor = hidden_NRH[torch.arange(len(last_N), device=last_N.device), last_N]
    return hidden_NH


def _rows_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """hidden_NRH at every response token."""
    batch, cache = prefix.batch, prefix.cache
    if cache is None or cache.get_seq_length() != batch.token_ids_BP.shape[1]:
        raise RuntimeError(
            "the prefix's keys and values are gone, as under gradient checkpointing: use `response_hidden`"
        )
    next_position_N = prefix.next_position_B.index_select(0, prompt_of_row_N)
    positions = vlm.family.positions.of_responses(next_position_N, token_ids_NR.shape[1])
    inputs = {"input_ids": token_ids_NR, "position_ids": positions, "use_cache": True}
    if can_learn_shared(vlm, cache):
        layers = [PromptLayer(layer.keys, layer.values) for layer in cache.layers]
        options = {"shared_prompt": SharedPrompt(batch.mask_BP, prompt_of_row_N), "prompt_layers": layers}
        with shared_attention(vlm):
            rest = vlm.backbone(**with_cache(vlm.backbone, Cache(layers=list(layers))), **inputs, **options)
    else:
        mask_NS = torch.cat([batch.mask_BP.index_select(0, prompt_of_row_N), mask_NR.long()], 1)
        copies = with_cache(vlm.backbone, expanded(cache, prompt_of_row_N))
        rest = vlm.backbone(**copies, attention_mask=mask_NS, **inputs)
    hidden_NRH: Tensor = rest.last_hidden_state
    return hidden_NRH


@contextmanager
def _last_layer_at(vlm: Vlm, token_N: Tensor | None = None) -> Iterator[None]:
    """Forward passes in it give the right hidden state at one token of each row; at others, what it is nobody knows.

    In the layers of `plain_language_models` two linear parts are added to the residual stream. Each gets the wanted
    token alone, and what it gives is added to all of them. For other models this changes nothing.

    Args:
        vlm: the model.
        token_N: index of each row's token; None: the last.
    """

    def at(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        values_NTH = arguments[0]
        if token_N is None:
            return (values_NTH[:, -1:], *arguments[1:])
        index_N1H = token_N[:, None, None].expand(-1, 1, values_NTH.shape[-1])
        return (values_NTH.gather(1, index_N1H), *arguments[1:])

    parts = []
    if is_plain(vlm):
        layer = vlm.decoder.layers[-1]
        parts = [layer.self_attn.o_proj, layer.mlp]
    hooks = [part.register_forward_pre_hook(at) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
