"""Torch's fused attention with the logarithm of its sum of exponentials, which its public function keeps to itself.

Torch has such a kernel for CPUs, which takes a mask, and one for NVIDIA GPUs in half precision, which takes none: there
prompts of different lengths go one after the other. Both let several query heads share a head of keys.

Shapes: B sequences, Q query heads, K key/value heads, T queries, S keys, D head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.private.torch import (
    check_cuda_attention,
    cpu_attention,
    cpu_attention_backward,
    cuda_attention,
    cuda_attention_backward,
)

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
    """Whether there is a kernel for tensors of this kind. Raises `EngineError` where it isn't the one that we know."""
    if device.type == "cpu":
        return True
    fits = head_size % 8 == 0 and head_size <= _CUDA_LARGEST_HEAD
    if device.type != "cuda" or torch.version.hip is not None or dtype not in _CUDA_DTYPES or not fits:
        return False
    check_cuda_attention(device, dtype)
    return True


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
        return cuda_attention(query_BQTD, keys_BKSD, values_BKSD, causal=causal, scaling=scaling)
    parts = [
        cuda_attention(
            query_BQTD[b : b + 1],
            keys_BKSD[b : b + 1, :, num:],
            values_BKSD[b : b + 1, :, num:],
            causal=causal,
            scaling=scaling,
        )
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
    return cpu_attention(query_BQTD, keys_BKSD, values_BKSD, causal=causal, bias=bias, scaling=scaling)


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
    operands = (grad_BQTD, query_BQTD, keys_BKSD, values_BKSD, out_BQTD, log_BQT)
    if query_BQTD.device.type == "cpu":
        bias = None if padding is None else _bias(padding.unseen_B11S, query_BQTD.dtype)
        return cpu_attention_backward(*operands, causal=causal, bias=bias, scaling=scaling)
    if padding is None:
        return cuda_attention_backward(*operands, causal=causal, scaling=scaling)
    parts = [
        cuda_attention_backward(
            grad_BQTD[b : b + 1],
            query_BQTD[b : b + 1],
            keys_BKSD[b : b + 1, :, num:],
            values_BKSD[b : b + 1, :, num:],
            out_BQTD[b : b + 1],
            log_BQT[b : b + 1].contiguous(),
            causal=causal,
            scaling=scaling,
        )
        for b, num in enumerate(padding.num_B)
    ]
    query, keys, values = (list(each) for each in zip(*parts, strict=True))
    padded = [
        [torch.nn.functional.pad(part, (0, 0, num, 0)) for part, num in zip(own, padding.num_B, strict=True)]
        for own in (keys, values)
    ]
    return torch.cat(query), torch.cat(padded[0]), torch.cat(padded[1])


def _bias(unseen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores."""
    return torch.zeros(unseen.shape, dtype=dtype, device=unseen.device).masked_fill(unseen, -torch.inf)
