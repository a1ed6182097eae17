"""Prompts computed once, for all rows that go on from them.

Shapes: B prompts, P prompt tokens, N rows, H hidden.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rilctl.data.micro_batches import GroupSize, padded_tokens
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch, collate_prompts
from rilctl.models.shared_prefix.inputs import image_inputs, places
from rilctl.models.shared_prefix.last_layer import last_layer_at
from rilctl.private.torch import num_writes
from rilctl.private.transformers import cache_of


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
    with last_layer_at(vlm):
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


class KeptPrefix:
    """The prompts of a step, computed once with their graph: for the rollouts, and for the update that follows.

    They are kept where the whole step is one micro-batch: there the update holds the same graph, and its backward runs
    through it once.

    Args:
        vlm: the policy; its weights don't change in between.
        budget_tokens: of a micro-batch.
        num_rows: of a prompt in the update.
        response_tokens: of a row at most.
    """

    def __init__(self, vlm: Vlm, *, budget_tokens: int, num_rows: int, response_tokens: int) -> None:
        self._vlm = vlm
        self._budget_tokens, self._num_rows, self._response_tokens = budget_tokens, num_rows, response_tokens
        self._num_expected: int | None = None
        self._held: tuple[list[EncodedPrompt], Prefix] | None = None
        self._weights: list[int] = []

    @contextmanager
    def expecting(self, num_prompts: int) -> Iterator[None]:
        """Rollouts inside are a step's, of so many prompts."""
        self._held, self._num_expected = None, num_prompts
        try:
            yield
        finally:
            self._num_expected = None

    def compute(self, prompts: Sequence[EncodedPrompt]) -> Prefix:
        """The prefix, for rollouts; kept if these are all of a step's prompts and the step is one micro-batch."""
        keeps = len(prompts) == self._num_expected and self._fits(prompts)
        with torch.set_grad_enabled(keeps):
            prefix = compute_prefix(self._vlm, prompts)
        if keeps:
            self._held, self._weights = (list(prompts), prefix), self._versions()
        return prefix

    def take(self, prompts: Sequence[EncodedPrompt]) -> Prefix | None:
        """What was kept of exactly these prompts, once; None: nothing, or the weights have changed since."""
        held, self._held = self._held, None
        if held is None or self._weights != self._versions():
            return None
        is_same = len(held[0]) == len(prompts) and all(a is b for a, b in zip(held[0], prompts, strict=True))
        return held[1] if is_same else None

    def _fits(self, prompts: Sequence[EncodedPrompt]) -> bool:
        sizes = [GroupSize(len(prompt.token_ids_P), self._num_rows, self._response_tokens) for prompt in prompts]
        return padded_tokens(sizes) <= self._budget_tokens

    def _versions(self) -> list[int]:
        return [num_writes(parameter) for _, parameter in self._vlm.trained_parameters()]
