"""Prompts computed a few at a time, those of similar length together, where no gradients are wanted.

All together they would be padded to the longest: with one of 1,000 tokens, 31 of 400 cost as much as if they had 1,000.

Shapes: B prompts, P prompt tokens, K key/value heads, D head size.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import collate_prompts
from rilctl.models.shared_prefix.attention import can_share, is_plain
from rilctl.models.shared_prefix.prefix import Prefix, compute_prefix

PIECE_TOKENS = 4096
"""Of prompts that are computed together, padding included; more at once are no faster."""


def compute_in_pieces(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> Prefix:
    """As `compute_prefix` does, without gradients, and with memory for the activations of `PIECE_TOKENS` alone."""
    sizes = [GroupSize(len(prompt.token_ids_P), 0, 0) for prompt in prompts]
    pieces = list(micro_batches(sizes, PIECE_TOKENS)) if is_plain(vlm) else []
    if len(pieces) < 2:
        return compute_prefix(vlm, prompts)
    first, *others = ([prompts[index] for index in piece] for piece in pieces)
    parts = [compute_prefix(vlm, first)]
    if not can_share(vlm, parts[0].cache):
        return compute_prefix(vlm, prompts)
    parts += [compute_prefix(vlm, piece) for piece in others]
    order_B = torch.tensor([index for piece in pieces for index in piece], device=vlm.device).argsort()
    return Prefix(
        collate_prompts(vlm, prompts),
        _joined([part.cache for part in parts], order_B),
        torch.cat([part.last_hidden_BH for part in parts])[order_B],
        torch.cat([part.next_position_B for part in parts])[order_B],
    )


def _joined(caches: Sequence[Any], order_B: Tensor) -> Any:
    """One cache of all prompts, padded on the left to the longest; the parts are freed on the way."""
    joined = copy.copy(caches[0])
    joined.layers = [copy.copy(layer) for layer in caches[0].layers]
    for index, layer in enumerate(joined.layers):
        own = [cache.layers[index] for cache in caches]
        layer.keys = _padded([each.keys for each in own])[order_B]
        layer.values = _padded([each.values for each in own])[order_B]
        for each in own:
            each.keys = each.values = None
    return joined


def _padded(parts_BKPD: Sequence[Tensor]) -> Tensor:
    length = max(part.shape[2] for part in parts_BKPD)
    return torch.cat([torch.nn.functional.pad(part, (0, 0, length - part.shape[2], 0)) for part in parts_BKPD])
