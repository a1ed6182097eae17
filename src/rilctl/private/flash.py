"""Torch's fused attention with the logarithm of its sum of exponentials, which its public function keeps to itself.

Torch has such a kernel for CPUs, which takes a mask, and one for NVIDIA GPUs in half precision, which takes none: there
prompts of different lengths go one after the other. Both let several query heads share a head of keys.

Shapes: B sequences, Q query heads, K key/value heads, T queries, S keys, D head size.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from rilctl.private.uses import Use, lacking

_WHY = "for a group's rows over one prompt: the public attention keeps its log-sums to itself"
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
    _refuse_other_kernel(device, dtype)
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
        return _cuda_attention(query_BQTD, keys_BKSD, values_BKSD, causal=causal, scaling=scaling)
    parts = [
        _cuda_attention(
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
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out_BQTD, log_BQT = op(query_BQTD, keys_BKSD, values_BKSD, 0.0, causal, attn_mask=bias, scale=scaling)
    return out_BQTD, log_BQT


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
        op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
        grads: tuple[Tensor, Tensor, Tensor] = op(*operands, 0.0, causal, attn_mask=bias, scale=scaling)
        return grads
    if padding is None:
        return _cuda_attention_backward(*operands, causal=causal, scaling=scaling)
    parts = [
        _cuda_attention_backward(
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


def _cuda_attention(
    query: Tensor, keys: Tensor, values: Tensor, *, causal: bool, scaling: float
) -> tuple[Tensor, Tensor]:
    """`flash_on_cpu` on an NVIDIA GPU, in half precision; it takes no mask."""
    out, log, *_ = torch.ops.aten._scaled_dot_product_flash_attention(query, keys, values, 0.0, causal, scale=scaling)
    return out, log


def _cuda_attention_backward(
    grad: Tensor, query: Tensor, keys: Tensor, values: Tensor, out: Tensor, log: Tensor, *, causal: bool, scaling: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Its gradients for queries, keys and values."""
    op = torch.ops.aten._scaled_dot_product_flash_attention_backward
    no_dropout = torch.zeros(2, dtype=torch.uint64, device=query.device)
    lengths = (None, None, query.shape[2], keys.shape[2])
    grads: tuple[Tensor, Tensor, Tensor] = op(
        grad, query, keys, values, out, log, *lengths, 0.0, causal, no_dropout, no_dropout, scale=scaling
    )
    return grads


@cache
def _refuse_other_kernel(device: torch.device, dtype: torch.dtype) -> None:
    """Raise `EngineError` where a GPU's kernel doesn't give what attention is; looks once in a process."""
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(1, 2, 3, 8, generator=generator).to(device, dtype) for _ in range(3))
    with torch.autocast(device.type, enabled=False):  # the first who asks may compute in half precision
        out, log = _cuda_attention(query, keys, values, causal=True, scaling=0.5)
        right_out, right_log = _plain_attention(query.float(), keys.float(), values.float(), scaling=0.5)
    # Half precision has eight bits or more, and the values are of the size of 1.
    if not (torch.allclose(out.float(), right_out, atol=0.05) and torch.allclose(log.float(), right_log, atol=0.05)):
        raise lacking("torch", "aten._scaled_dot_product_flash_attention", _WHY)


def _plain_attention(query: Tensor, keys: Tensor, values: Tensor, *, scaling: float) -> tuple[Tensor, Tensor]:
    """What causal attention is, with its log-sums."""
    scores = query @ keys.transpose(-1, -2) * scaling
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-1) @ values, scores.logsumexp(-1)


def _check_cpu_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    options: dict[str, Any] = {"generator": generator, "device": "cpu", "requires_grad": True}
    query, keys, values = (torch.randn(1, 2, 3, 8, **options) for _ in range(3))
    right_out, right_log = _plain_attention(query, keys, values, scaling=0.5)
    right_out.sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        out, log = flash(query, keys, values, scaling=0.5, causal=True)
        grads = flash_backward(torch.ones_like(out), query, keys, values, out, log, scaling=0.5, causal=True)
    right = (right_out, right_log, query.grad, keys.grad, values.grad)
    for mine, its in zip((out, log, *grads), right, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def _check_cuda_attention() -> None:
    """Arguments and shapes, which are known where there is no GPU; `_refuse_other_kernel` sees the numbers."""
    query = torch.zeros(1, 1, 2, 8, dtype=torch.float16, device="meta")
    out, log = _cuda_attention(query, query, query, causal=True, scaling=0.5)
    _cuda_attention_backward(out, query, query, query, out, log, causal=True, scaling=0.5)
    if (out.shape, log.shape) != (query.shape, query.shape[:3]):
        raise ValueError(f"results of shape {tuple(out.shape)} and {tuple(log.shape)}")


USES = (
    Use("aten._scaled_dot_product_flash_attention_for_cpu", _WHY, _check_cpu_attention),
    Use("aten._scaled_dot_product_flash_attention", _WHY, _check_cuda_attention),
)
