"""Decoding on a GPU, where a step's thousands of small kernels are recorded once and replayed for every token.

One by one, Python launches them more slowly than the GPU runs them. What is recorded reads and writes the same memory
at each replay, so nothing may grow or shrink: the rows' keys have room for all tokens from the start, and those that
aren't there yet are masked; rows that ended stay, which costs next to nothing, since the weights are read anyway.

Shapes: B prompts, P prompt tokens, N rows, R tokens of the budget, K key/value heads, D head size, H hidden.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from rilctl.models.places import response_positions
from rilctl.models.prefix import Prefix
from rilctl.models.shared_prompt import PromptLayer, SharedPrompt, shared_attention
from rilctl.models.vlm import Vlm


class RoomyLayer(PromptLayer):  # type: ignore[no-untyped-call]
    """A layer of the cache with room for all of the rows' tokens.

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
        self.column_1 = torch.zeros(1, dtype=torch.long, device=prompt_keys_BKPD.device)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take the newest token's; all that there is room for, keys_NKRD and values_NKRD."""
        self._keys_NKRD.index_copy_(2, self.column_1, key_states.to(self._keys_NKRD.dtype))
        self._values_NKRD.index_copy_(2, self.column_1, value_states.to(self._values_NKRD.dtype))
        return self._keys_NKRD, self._values_NKRD


class GraphedDecoding:
    """A `Decoding` over one copy of the prompts, see `SharedDecoding`, that replays its steps.

    Args:
        vlm: the model.
        prefix: the prompts.
        prompt_of_row_N: index of each row's prompt.
        budget: tokens that a row may get.
    """

    def __init__(self, vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, budget: int) -> None:
        num_rows, device, caches = len(prompt_of_row_N), vlm.device, prefix.cache.layers
        layers = [RoomyLayer(layer.keys, layer.values, num_rows, budget) for layer in caches]
        shared, cache = SharedPrompt(prefix.batch.mask_BP, prompt_of_row_N), Cache(layers=list(layers))
        tokens_N, position_N = (torch.zeros(num_rows, dtype=torch.long, device=device) for _ in range(2))
        column_1, columns_R = torch.zeros(1, dtype=torch.long, device=device), torch.arange(budget, device=device)

        def step() -> Tensor:
            unseen_111R = (columns_R > column_1)[None, None, None]
            for layer in layers:
                layer.column_1, layer.unseen_111R = column_1, unseen_111R
            with shared_attention(vlm):
                out = vlm.backbone(
                    input_ids=tokens_N[:, None],
                    position_ids=response_positions(vlm, position_N, 1),
                    past_key_values=cache,
                    use_cache=True,
                    shared_prompt=shared,
                    prompt_layers=layers,
                )
            hidden_NH: Tensor = out.last_hidden_state[:, -1]
            return hidden_NH

        self._replay = Recorded(step)
        self._tokens_N, self._position_N, self._column_1 = tokens_N, position_N, column_1
        self._alive = torch.arange(num_rows, device=device)

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        self._tokens_N[self._alive] = tokens_N
        self._position_N[self._alive] = position_N
        hidden_NH = self._replay()[self._alive]
        self._column_1 += 1
        return hidden_NH

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._alive = self._alive[rows]


class Recorded:
    """A function whose kernels are replayed at each call; its result is overwritten each time.

    It runs once before it is recorded: libraries make what they need, and autocast its copies of the weights, which
    stay where they are as long as its context lasts.

    Args:
        step: what it reads must stay where it is.
    """

    def __init__(self, step: Callable[[], Tensor]) -> None:
        self._step = step  # holds what the kernels read
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            step()
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with _no_garbage_collection(), torch.cuda.graph(self._graph):
            self._out = step()

    def __call__(self) -> Tensor:
        """Replay."""
        self._graph.replay()
        return self._out


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """An older graph that is freed while another one is recorded would spoil that."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
