"""Decoding on a GPU, where a step's thousands of small kernels are recorded once and replayed for every token.

One by one, Python launches them more slowly than the GPU runs them. What is recorded reads and writes the same memory
at each replay, so nothing may grow: the rows' keys have room for all tokens from the start, and those that aren't there
yet are masked; rows that ended stay until half of them have.

Shapes: B prompts, P prompt tokens, N rows, R tokens of the budget, K key/value heads, D head size, H hidden.
"""

from collections.abc import Callable
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

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self._keys_NKRD, self._values_NKRD = self._keys_NKRD[rows], self._values_NKRD[rows]


class GraphedDecoding:
    """A `Decoding` over one copy of the prompts, see `SharedDecoding`, that replays its steps.

    Args:
        vlm: the model.
        prefix: the prompts.
        prompt_of_row_N: index of each row's prompt.
        budget: tokens that a row may get.
    """

    def __init__(self, vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, budget: int) -> None:
        self._vlm = vlm
        self._mask_BP = prefix.batch.mask_BP
        self._prompt_of_row_N = prompt_of_row_N
        num_rows = len(prompt_of_row_N)
        self._layers = [RoomyLayer(layer.keys, layer.values, num_rows, budget) for layer in prefix.cache.layers]
        self._columns_R = torch.arange(budget, device=vlm.device)
        self._num_tokens = 0
        self._alive = torch.arange(num_rows, device=vlm.device)
        self._record()

    def step(self, tokens_N: Tensor, position_N: Tensor) -> Tensor:
        """See `Decoding`."""
        self._tokens_N[self._alive] = tokens_N
        self._position_N[self._alive] = position_N
        self._column_1.fill_(self._num_tokens)
        self._num_tokens += 1
        return self._replay()[self._alive]

    def keep(self, rows: Tensor) -> None:
        """See `Decoding`."""
        self._alive = self._alive[rows]
        if 2 * len(self._alive) > len(self._prompt_of_row_N):
            return
        self._prompt_of_row_N = self._prompt_of_row_N[self._alive]
        for layer in self._layers:
            layer.keep(self._alive)
        self._record()

    def _record(self) -> None:
        """A step of the rows that there are now."""
        device, num_rows = self._vlm.device, len(self._prompt_of_row_N)
        self._alive = torch.arange(num_rows, device=device)
        self._tokens_N, self._position_N = (torch.zeros(num_rows, dtype=torch.long, device=device) for _ in range(2))
        self._column_1 = torch.full((1,), self._num_tokens, device=device)
        shared, cache = SharedPrompt(self._mask_BP, self._prompt_of_row_N), Cache(layers=list(self._layers))

        def step() -> Tensor:
            unseen_111R = (self._columns_R > self._column_1)[None, None, None]
            for layer in self._layers:
                layer.column_1, layer.unseen_111R = self._column_1, unseen_111R
            with shared_attention(self._vlm):
                out = self._vlm.backbone(
                    input_ids=self._tokens_N[:, None],
                    position_ids=response_positions(self._vlm, self._position_N, 1),
                    past_key_values=cache,
                    use_cache=True,
                    shared_prompt=shared,
                    prompt_layers=self._layers,
                )
            hidden_NH: Tensor = out.last_hidden_state[:, -1]
            return hidden_NH

        self._replay, self._recorded = record(step), step  # a replay reads what the step reads, which must live on


def record(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The same function, replayed; its result is overwritten at each call.

    It runs once before it is recorded: libraries make what they need, and autocast its copies of the weights, which
    stay where they are as long as its context lasts.
    """
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = step()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay
