"""Attention of a group's rows over one copy of their prompt's keys and values.

A softmax over all keys is put together from two: over the prompt's keys, where the rows of a group are the queries of
one matrix product, and over a row's own keys. Each part gives its output and the logarithm of its sum of exponentials
(Rabe and Staats, 2112.05682); with the whole's in the place of the part's, a fused kernel's backward gives that part's
gradients (as in ring attention, 2310.01889).

Shapes: B prompts, G rows of the largest group, N rows, P prompt tokens, R the rows' tokens, T keys of their own,
K key/value heads, Q query heads of each, X = G Q R, D head size.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AttentionInterface, DynamicLayer

from rilctl.models.loaded.vlm import Vlm
from rilctl.private.flash import Padding, flash, flash_backward, flash_on_cpu, has_flash
from rilctl.private.transformers import attention_named

NAME = "rilctl_shared_prompt"
"""Of our attention; without a mask function of that name, the library builds no mask."""


def is_plain(vlm: Vlm) -> bool:
    """Whether the language model is one of its family's `plain_language_models`."""
    return vlm.model.config.get_text_config().model_type in vlm.family.plain_language_models


def can_share(vlm: Vlm, cache: Any) -> bool:
    """Whether the model's attention can be put together from parts."""
    return is_plain(vlm) and all(type(layer) is DynamicLayer for layer in cache.layers)


def can_learn_shared(vlm: Vlm, cache: Any) -> bool:
    """Whether there is a fused kernel for that, with gradients."""
    return can_share(vlm, cache) and has_flash(vlm.device, vlm.dtype, cache.layers[0].keys.shape[-1])


class SharedPrompt:
    """Which row reads which prompt; handed to the model's attention as the option `shared_prompt`.

    Args:
        mask_BP: True at real prompt tokens.
        prompt_of_row_N: index of each row's prompt.
    """

    def __init__(self, mask_BP: Tensor, prompt_of_row_N: Tensor) -> None:
        self.prompt_of_row_N = prompt_of_row_N
        num_B = (mask_BP == 0).sum(1).tolist()
        self.padding = Padding((mask_BP == 0)[:, None, None], num_B) if any(num_B) else None
        """Tokens on the left of each prompt that aren't the prompt's; None: no prompt has any."""
        num_prompts, rows_N = len(mask_BP), torch.arange(len(prompt_of_row_N), device=mask_BP.device)
        is_of_prompt_NB = prompt_of_row_N[:, None] == torch.arange(num_prompts, device=mask_BP.device)
        rank_N = is_of_prompt_NB.cumsum(0)[rows_N, prompt_of_row_N] - 1
        self._width = int(rank_N.max()) + 1
        self._place_of_row_N = prompt_of_row_N * self._width + rank_N
        places = torch.zeros(num_prompts * self._width, dtype=torch.long, device=mask_BP.device)
        places[self._place_of_row_N] = rows_N  # a place without a row repeats row 0 and is not read
        self._row_of_place_BG = places.view(num_prompts, self._width)
        self._is_regular = len(places) == len(rows_N) and bool((self._place_of_row_N == rows_N).all())

    def to_grid(self, values_NHRD: Tensor, num_kv: int, *, fill: float | None = None) -> Tensor:
        """The rows' values as queries of their prompt, values_BKXD; `fill`: in places without a row."""
        num_rows, num_heads, num_tokens, size = values_NHRD.shape
        split = values_NHRD.reshape(num_rows, num_kv, num_heads // num_kv, num_tokens, size)
        if self._is_regular:
            grid = split.view(len(self._row_of_place_BG), self._width, *split.shape[1:])
        elif fill is None:
            grid = split[self._row_of_place_BG]
        else:
            grid = split.new_full((self._row_of_place_BG.numel(), *split.shape[1:]), fill)
            grid[self._place_of_row_N] = split
            grid = grid.view(*self._row_of_place_BG.shape, *split.shape[1:])
        return grid.transpose(1, 2).flatten(2, 4)

    def to_rows(self, values_BKXD: Tensor, like_NHRD: Tensor) -> Tensor:
        """The way back."""
        num_rows, num_heads, num_tokens, _ = like_NHRD.shape
        num_prompts, num_kv, _, size = values_BKXD.shape
        shape = (num_prompts, num_kv, self._width, num_heads // num_kv, num_tokens, size)
        rows = values_BKXD.view(shape).transpose(1, 2).flatten(0, 1)
        rows = rows if self._is_regular else rows[self._place_of_row_N]
        return rows.reshape(num_rows, num_heads, num_tokens, size)

    def attend_last(
        self, query_NH1D: Tensor, own_keys_NKTD: Tensor, own_values_NKTD: Tensor, layer: Any, scaling: float
    ) -> Tensor:
        """Each row's newest token over the prompt and all of its own tokens, out_NH1D; without gradient."""
        num_rows, num_heads, _, size = query_NH1D.shape
        num_kv = own_keys_NKTD.shape[1]
        own_query = query_NH1D.view(num_rows, num_kv, num_heads // num_kv, size)
        own = _part(own_query, own_keys_NKTD, own_values_NKTD, scaling, layer.unseen_111R)
        grid = self.to_grid(query_NH1D, num_kv)
        padding = self.padding.unseen_B11S if self.padding else None
        prompt = _part(grid, layer.prompt_keys_BKPD, layer.prompt_values_BKPD, scaling, padding)
        of_own = [part.reshape(num_rows, num_heads, 1, -1) for part in own]
        of_prompt = [self.to_rows(part, query_NH1D) for part in prompt]
        return _merge(of_own, of_prompt)[0].to(query_NH1D.dtype)

    def attend(
        self, query_NHRD: Tensor, own_keys_NKRD: Tensor, own_values_NKRD: Tensor, layer: Any, scaling: float
    ) -> Tensor:
        """Each of the rows' tokens over the prompt and its own row up to itself, out_NHRD."""
        tensors = (query_NHRD, own_keys_NKRD, own_values_NKRD, layer.prompt_keys_BKPD, layer.prompt_values_BKPD)
        out = _BlockAttention.apply(*_in_precision(*tensors), self, scaling)  # type: ignore[no-untyped-call]
        return cast("Tensor", out)


class PromptLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer of the cache that holds the prompts and hands on the rows' own keys and values as they come."""

    unseen_111R: Tensor | None = None
    """True at columns of the rows' own keys that hold no token yet; None: all do."""

    def __init__(self, prompt_keys_BKPD: Tensor, prompt_values_BKPD: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.prompt_keys_BKPD = prompt_keys_BKPD
        self.prompt_values_BKPD = prompt_values_BKPD
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Nothing is kept."""
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Tokens of the prompt."""
        return int(self.prompt_keys_BKPD.shape[2])


@contextmanager
def shared_attention(vlm: Vlm) -> Iterator[None]:
    """The language model's attention is ours in it; its options are `shared_prompt` and `prompt_layers`."""
    with attention_named(vlm.model.config.get_text_config(), NAME):
        yield


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query_NHRD: Tensor,
        own_keys_NKRD: Tensor,
        own_values_NKRD: Tensor,
        prompt_keys_BKPD: Tensor,
        prompt_values_BKPD: Tensor,
        shared: SharedPrompt,
        scaling: float,
    ) -> Tensor:
        grid = shared.to_grid(query_NHRD, prompt_keys_BKPD.shape[1])
        prompt_out, prompt_log = flash(
            grid, prompt_keys_BKPD, prompt_values_BKPD, scaling=scaling, padding=shared.padding
        )
        own_out, own_log = flash(query_NHRD, own_keys_NKRD, own_values_NKRD, scaling=scaling, causal=True)
        of_prompt = shared.to_rows(prompt_out, query_NHRD), shared.to_rows(prompt_log[..., None], query_NHRD)
        out, log = _merge((own_out, own_log[..., None]), of_prompt)
        out_NHRD = out.to(query_NHRD.dtype)
        ctx.save_for_backward(
            query_NHRD, own_keys_NKRD, own_values_NKRD, prompt_keys_BKPD, prompt_values_BKPD, out_NHRD, log
        )
        ctx.shared, ctx.scaling = shared, scaling
        return out_NHRD

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_NHRD: Tensor) -> tuple[Tensor | None, ...]:
        query, own_keys, own_values, prompt_keys, prompt_values, out, log = ctx.saved_tensors
        shared, scaling, num_kv = ctx.shared, ctx.scaling, prompt_keys.shape[1]
        grad_NHRD = grad_NHRD.contiguous()
        own = flash_backward(grad_NHRD, query, own_keys, own_values, out, log[..., 0], scaling=scaling, causal=True)
        prompt = flash_backward(
            shared.to_grid(grad_NHRD, num_kv, fill=0.0),  # nothing comes from places without a row
            shared.to_grid(query, num_kv),
            prompt_keys,
            prompt_values,
            shared.to_grid(out, num_kv),
            shared.to_grid(log, num_kv)[..., 0],
            scaling=scaling,
            padding=shared.padding,
        )
        return own[0] + shared.to_rows(prompt[0], query), own[1], own[2], prompt[1], prompt[2], None, None


def _part(query: Tensor, keys: Tensor, values: Tensor, scaling: float, unseen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention over part of the keys: output and logarithm of the sum of exponentials, float32."""
    query, keys, values = _in_precision(query, keys, values)
    if query.device.type == "cpu":
        out, log = flash_on_cpu(query, keys, values, scaling=scaling, unseen=unseen)
        return out.float(), log[..., None].float()
    scores = (query @ keys.transpose(-1, -2)).float() * scaling
    scores = scores if unseen is None else scores.masked_fill(unseen, -torch.inf)
    log = scores.logsumexp(-1, keepdim=True)
    return ((scores - log).exp_().to(values.dtype) @ values).float(), log


def _in_precision(*tensors: Tensor) -> list[Tensor]:
    """What autocast would do to the operands of a matrix product; else all as the first."""
    device = tensors[0].device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensors[0].dtype
    return [tensor.to(dtype) for tensor in tensors]


def _merge(one: Sequence[Tensor], other: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Attention and its log-sum over the keys of both parts, each an attention and its log-sum."""
    (out_a, log_a), (out_b, log_b) = one, other
    log = torch.logaddexp(log_a, log_b)
    return out_a * (log_a - log).exp() + out_b * (log_b - log).exp(), log


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, *, scaling: float, **options: Any
) -> tuple[Tensor, None]:
    """As the library calls it: out_NRHD and no weights."""
    shared: SharedPrompt = options["shared_prompt"]
    attend = shared.attend_last if query.shape[2] == 1 and not torch.is_grad_enabled() else shared.attend
    layer = options["prompt_layers"][module.layer_idx]
    return attend(query, key, value, layer, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
