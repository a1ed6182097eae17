"""Decoding on a GPU, where a step's thousands of small kernels are recorded once and replayed for every token.

One by one, Python launches them more slowly than the GPU runs them. What is recorded reads and writes the same memory
at each replay, so nothing may grow or shrink: the rows' keys have room for all tokens from the start, and those that
aren't there yet are masked; rows that ended stay, which costs next to nothing, since the weights are read anyway.

Shapes: B prompts, P prompt tokens, N rows, R tokens of the budget, K key/value heads, D head size, H hidden.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.sampling.shared import RoomyLayer, newest_hidden
from rilctl.models.shared_prefix.attention import SharedPrompt, shared_attention
from rilctl.models.shared_prefix.prefix import Prefix


class ColumnLayer(RoomyLayer):  # type: ignore[no-untyped-call]
    """Gives the attention all that there is room for.

    Args:
        prompt_keys_BKPD: keys.
        prompt_values_BKPD: values.
        num_rows: N.
        column_1: where the newest token's go.
        budget: R.
    """

    def __init__(
        self, prompt_keys_BKPD: Tensor, prompt_values_BKPD: Tensor, num_rows: int, column_1: Tensor, budget: int
    ) -> None:
        super().__init__(prompt_keys_BKPD, prompt_values_BKPD, num_rows, budget)
        self._column_1 = column_1

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take the newest token's; keys_NKRD and values_NKRD."""
        self._keys_NKRD.index_copy_(2, self._column_1, key_states.to(self._keys_NKRD.dtype))
        self._values_NKRD.index_copy_(2, self._column_1, value_states.to(self._values_NKRD.dtype))
        return self._keys_NKRD, self._values_NKRD


class RecordedDecoding:
    """A `Decoding` over one copy of the prompts, see `SharedDecoding`, that replays its steps.

    Args:
        vlm: the model.
        prefix: the prompts.
        prompt_of_row_N: index of each row's prompt.
        budget: tokens that a row may get.
    """

    def __init__(self, vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, budget: int) -> None:
        num_rows, device = len(prompt_of_row_N), vlm.device
        tokens_N, position_N = (torch.zeros(num_rows, dtype=torch.long, device=device) for _ in range(2))
        column_1, columns_R = torch.zeros(1, dtype=torch.long, device=device), torch.arange(budget, device=device)
        layers = [ColumnLayer(old.keys, old.values, num_rows, column_1, budget) for old in prefix.cache.layers]
        cache = Cache(layers=list(layers))
        options = {"shared_prompt": SharedPrompt(prefix.batch.mask_BP, prompt_of_row_N), "prompt_layers": layers}

        def step() -> Tensor:
            unseen_111R = (columns_R > column_1)[None, None, None]
            for layer in layers:
                layer.unseen_111R = unseen_111R
            with shared_attention(vlm):
                return newest_hidden(vlm, cache, tokens_N, position_N, **options)

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
        beside = _recording_stream(torch.cuda.current_device())
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            step()
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with _no_garbage_collection(), torch.cuda.graph(self._graph, stream=beside):
            self._out = step()

    def __call__(self) -> Tensor:
        """Replay."""
        self._graph.replay()
        return self._out


@cache
def _recording_stream(device: int) -> torch.cuda.Stream:
    """One for all recordings: cuBLAS keeps its working memory for every stream that it has ever run on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


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
