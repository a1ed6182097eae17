"""Torch's fused attention with the logarithm of its sum of exponentials, which its public function keeps to itself.

Torch has such a kernel for CPUs, which takes a mask, and one for NVIDIA GPUs in half precision, which takes none: there
prompts of different lengths go one after the other. Both let several query heads share a head of keys.

Shapes: B sequences, Q query heads, K key/value heads, T queries, S keys, D head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_CPU_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
_CUDA = torch.ops.aten._scaled_dot_product_flash_attention
_CUDA_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_backward
_CUDA_DTYPES = (torch.float16, torch.bfloat16)
_CUDA_LARGEST_HEAD = 256


@dataclass(frozen=True)
class Padding:
    """Keys at the beginning of each sequence that aren't seen.

    Args:
        unseen_B11S: True at them.
        num_B: how many they are.
    """

    unseen_B11S: Tensor
    num_B: list[int]


def has_flash(device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Whether there is a kernel for tensors of this kind."""
    if device.type == "cpu":
        return True
    fits = head_size % 8 == 0 and head_size <= _CUDA_LARGEST_HEAD
    return device.type == "cuda" and torch.version.hip is None and dtype in _CUDA_DTYPES and fits


def flash(
    query_BQTD: Tensor,
    keys_BKSD: Tensor,
    values_BKSD: Tensor,
    *,
    scaling: float,
    causal: bool = False,
    padding: Padding | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention and its log-sums.

    Args:
        query_BQTD: queries.
        keys_BKSD: keys.
        values_BKSD: values.
        scaling: of the scores.
        causal: a query sees no later key; there are as many of both.
        padding: keys that aren't seen; None: all are.

    Returns:
        out_BQTD; log_BQT, float32 in half precision too.
    """
    if query_BQTD.device.type == "cpu":
        unseen = None if padding is None else padding.unseen_B11S
        return flash_on_cpu(query_BQTD, keys_BKSD, values_BKSD, scaling=scaling, causal=causal, unseen=unseen)
    if padding is None:
        out, log, *_ = _CUDA(query_BQTD, keys_BKSD, values_BKSD, 0.0, causal, scale=scaling)
        return out, log
    parts = [
        _CUDA(
            query_BQTD[b : b + 1],
            keys_BKSD[b : b + 1, :, num:],
            values_BKSD[b : b + 1, :, num:],
            0.0,
            causal,
            scale=scaling,
        )[:2]
        for b, num in enumerate(padding.num_B)
    ]
    return torch.cat([out for out, _ in parts]), torch.cat([log for _, log in parts])


def flash_on_cpu(
    query_BQTD: Tensor,
    keys_BKSD: Tensor,
    values_BKSD: Tensor,
    *,
    scaling: float,
    causal: bool = False,
    unseen: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """`flash` on a CPU; `unseen`: True at keys that aren't seen, as large as the scores or to be stretched to it."""
    bias = None if unseen is None else _bias(unseen, query_BQTD.dtype)
    out, log = _CPU(query_BQTD, keys_BKSD, values_BKSD, 0.0, causal, attn_mask=bias, scale=scaling)
    return out, log


def flash_backward(
    grad_BQTD: Tensor,
    query_BQTD: Tensor,
    keys_BKSD: Tensor,
    values_BKSD: Tensor,
    out_BQTD: Tensor,
    log_BQT: Tensor,
    *,
    scaling: float,
    causal: bool = False,
    padding: Padding | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients for queries, keys and values.

    Where these keys are part of all keys, `out` and `log` are those of the whole, and so are these gradients.
    """
    log_BQT = log_BQT.contiguous()
    if query_BQTD.device.type == "cpu":
        bias = None if padding is None else _bias(padding.unseen_B11S, query_BQTD.dtype)
        operands = (grad_BQTD, query_BQTD, keys_BKSD, values_BKSD, out_BQTD, log_BQT)
        query, keys, values = _CPU_BACKWARD(*operands, 0.0, causal, attn_mask=bias, scale=scaling)
        return query, keys, values
    if padding is None:
        return _cuda_backward(grad_BQTD, query_BQTD, keys_BKSD, values_BKSD, out_BQTD, log_BQT, scaling, causal)
    parts = [
        _cuda_backward(
            grad_BQTD[b : b + 1],
            query_BQTD[b : b + 1],
            keys_BKSD[b : b + 1, :, num:],
            values_BKSD[b : b + 1, :, num:],
            out_BQTD[b : b + 1],
            log_BQT[b : b + 1].contiguous(),
            scaling,
            causal,
        )
        for b, num in enumerate(padding.num_B)
    ]
    query, keys, values = (list(each) for each in zip(*parts, strict=True))
    padded = [
        [torch.nn.functional.pad(part, (0, 0, num, 0)) for part, num in zip(own, padding.num_B, strict=True)]
        for own in (keys, values)
    ]
    return torch.cat(query), torch.cat(padded[0]), torch.cat(padded[1])


def _cuda_backward(
    grad: Tensor, query: Tensor, keys: Tensor, values: Tensor, out: Tensor, log: Tensor, scaling: float, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    no_dropout = torch.zeros(2, dtype=torch.uint64, device=query.device)
    lengths = (None, None, query.shape[2], keys.shape[2])
    operands = (grad, query, keys, values, out, log)
    grads: tuple[Tensor, Tensor, Tensor] = _CUDA_BACKWARD(
        *operands, *lengths, 0.0, causal, no_dropout, no_dropout, scale=scaling
    )
    return grads


def _bias(unseen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores."""
    return torch.zeros(unseen.shape, dtype=dtype, device=unseen.device).masked_fill(unseen, -torch.inf)
