"""Private API of torch."""

import inspect
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from rilctl.private.uses import Use, lacking

_ATTENTION_WHY = "for a group's rows over one prompt: the public attention keeps its log-sums to itself"
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")


def cpu_attention(
    query: Tensor, keys: Tensor, values: Tensor, *, causal: bool, bias: Tensor | None, scaling: float
) -> tuple[Tensor, Tensor]:
    """Fused attention on a CPU: its output, and the logarithm of its sum of exponentials.

    Args:
        query: of shape (sequences, heads, queries, size).
        keys: likewise; fewer heads are shared by several of the queries'.
        values: likewise.
        causal: a query sees no later key.
        bias: added to the scores.
        scaling: of the scores.
    """
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out, log = op(query, keys, values, 0.0, causal, attn_mask=bias, scale=scaling)
    return out, log


def cpu_attention_backward(
    grad: Tensor,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    out: Tensor,
    log: Tensor,
    *,
    causal: bool,
    bias: Tensor | None,
    scaling: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `cpu_attention` for queries, keys and values, from its results and the gradient of its output."""
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    grads: tuple[Tensor, Tensor, Tensor] = op(
        grad, query, keys, values, out, log, 0.0, causal, attn_mask=bias, scale=scaling
    )
    return grads


def cuda_attention(
    query: Tensor, keys: Tensor, values: Tensor, *, causal: bool, scaling: float
) -> tuple[Tensor, Tensor]:
    """`cpu_attention` on an NVIDIA GPU, in half precision; it takes no bias."""
    out, log, *_ = torch.ops.aten._scaled_dot_product_flash_attention(query, keys, values, 0.0, causal, scale=scaling)
    return out, log


def cuda_attention_backward(
    grad: Tensor, query: Tensor, keys: Tensor, values: Tensor, out: Tensor, log: Tensor, *, causal: bool, scaling: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`cpu_attention_backward` on an NVIDIA GPU."""
    op = torch.ops.aten._scaled_dot_product_flash_attention_backward
    no_dropout = torch.zeros(2, dtype=torch.uint64, device=query.device)
    lengths = (None, None, query.shape[2], keys.shape[2])
    grads: tuple[Tensor, Tensor, Tensor] = op(
        grad, query, keys, values, out, log, *lengths, 0.0, causal, no_dropout, no_dropout, scale=scaling
    )
    return grads


@cache
def check_cuda_attention(device: torch.device, dtype: torch.dtype) -> None:
    """Raise `EngineError` where a GPU's kernel doesn't give what `cpu_attention` does; looks once in a process."""
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(1, 2, 3, 8, generator=generator).to(device, dtype) for _ in range(3))
    out, log = cuda_attention(query, keys, values, causal=True, scaling=0.5)
    right_out, right_log = _plain_attention(query.float(), keys.float(), values.float(), scaling=0.5)
    # Half precision has eight bits or more, and the values are of the size of 1.
    if not (torch.allclose(out.float(), right_out, atol=0.05) and torch.allclose(log.float(), right_log, atol=0.05)):
        raise lacking("torch", "aten._scaled_dot_product_flash_attention", _ATTENTION_WHY)


def num_writes(tensor: Tensor) -> int:
    """How often a tensor was written to in place."""
    return tensor._version


def meet(rank: int, size: int, timeout: timedelta) -> Any:
    """The store that all ranks have, once all have come; the environment says where, as torchrun writes it."""
    return next(distributed.rendezvous("env://", rank, size, timeout=timeout))[0]  # type: ignore[attr-defined]


def is_out_of_host_memory(error: Exception) -> bool:
    """Whether there was no more memory on the host, for which torch raises a `RuntimeError` like any other."""
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


@contextmanager
def without_hooks(module: nn.Module) -> Iterator[None]:
    """No part of a module calls its hooks inside."""
    kept = [(part, name, getattr(part, name)) for part in module.modules() for name in _HOOKS]
    for part, name, _ in kept:
        setattr(part, name, OrderedDict())
    try:
        yield
    finally:
        for part, name, hooks in kept:
            setattr(part, name, hooks)


def _plain_attention(query: Tensor, keys: Tensor, values: Tensor, *, scaling: float) -> tuple[Tensor, Tensor]:
    """What causal attention is, with its log-sums."""
    scores = query @ keys.transpose(-1, -2) * scaling
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-1) @ values, scores.logsumexp(-1)


def record_cuda_memory(max_events: int | None) -> None:
    """Note who allocates and frees memory on the device, the newest so many times; None: no longer."""
    if max_events is None:
        torch.cuda.memory._record_memory_history(enabled=None)
    else:
        torch.cuda.memory._record_memory_history(max_entries=max_events)


def save_cuda_memory(path: Path) -> None:
    """Write what is in the device's memory and what was noted, in the form that torch's viewer reads."""
    torch.cuda.memory._dump_snapshot(str(path))  # type: ignore[no-untyped-call]


def _check_cpu_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(1, 2, 3, 8, generator=generator, requires_grad=True) for _ in range(3))
    right_out, right_log = _plain_attention(query, keys, values, scaling=0.5)
    right_out.sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        out, log = cpu_attention(query, keys, values, causal=True, bias=None, scaling=0.5)
        grad = torch.ones_like(out)
        grads = cpu_attention_backward(grad, query, keys, values, out, log, causal=True, bias=None, scaling=0.5)
    right = (right_out, right_log, query.grad, keys.grad, values.grad)
    for mine, its in zip((out, log, *grads), right, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def _check_cuda_attention() -> None:
    """Arguments and shapes, which are known where there is no GPU; `check_cuda_attention` sees the numbers."""
    query = torch.zeros(1, 1, 2, 8, dtype=torch.float16, device="meta")
    out, log = cuda_attention(query, query, query, causal=True, scaling=0.5)
    cuda_attention_backward(out, query, query, query, out, log, causal=True, scaling=0.5)
    if (out.shape, log.shape) != (query.shape, query.shape[:3]):
        raise ValueError(f"results of shape {tuple(out.shape)} and {tuple(log.shape)}")


def _check_num_writes() -> None:
    tensor = torch.zeros(1)
    before = num_writes(tensor)
    tensor.add_(1)
    if num_writes(tensor) <= before:
        raise ValueError("writes aren't counted")


def _check_rendezvous() -> None:
    found = distributed.rendezvous  # type: ignore[attr-defined]
    inspect.signature(found).bind("env://", 0, 1, timeout=timedelta(seconds=1))


def _check_host_memory() -> None:
    try:
        torch.empty(1 << 50, dtype=torch.uint8)  # more than an address space holds
    except RuntimeError as error:
        if is_out_of_host_memory(error):
            return
        raise
    raise ValueError("a pebibyte was allocated")


def _check_hooks() -> None:
    called: list[str] = []
    layer = nn.Linear(1, 1)
    layer.register_forward_pre_hook(lambda *_: called.append("before"))
    layer.register_forward_hook(lambda *_: called.append("after"))
    with without_hooks(layer):
        layer(torch.zeros(1))
    if called:
        raise ValueError("hooks are called all the same")
    layer(torch.zeros(1))
    if called != ["before", "after"]:
        raise ValueError("hooks are gone afterwards")


def _check_cuda_memory() -> None:
    inspect.signature(torch.cuda.memory._record_memory_history).bind(enabled=None)
    inspect.signature(torch.cuda.memory._record_memory_history).bind(max_entries=1)
    inspect.signature(torch.cuda.memory._dump_snapshot).bind("file")


USES = (
    Use("aten._scaled_dot_product_flash_attention_for_cpu", _ATTENTION_WHY, _check_cpu_attention),
    Use("aten._scaled_dot_product_flash_attention", _ATTENTION_WHY, _check_cuda_attention),
    Use(
        "Tensor._version",
        "to know that a prompt's kept graph is of the present weights: nothing public counts writes",
        _check_num_writes,
    ),
    Use(
        "distributed.rendezvous",
        "to meet before the process group exists, so that signals are heard meanwhile: it is exported, not documented",
        _check_rendezvous,
    ),
    Use(
        "DefaultCPUAllocator: in a message",
        "to say what to do where the host's memory runs out: torch has an exception for devices only",
        _check_host_memory,
    ),
    Use(
        "cuda.memory._dump_snapshot",
        "for a profile's memory: torch's pages describe it as the way to do that, under these names",
        _check_cuda_memory,
    ),
    Use(
        "nn.Module._forward_hooks",
        "to sample from weights that DeepSpeed has gathered: its hooks would give them away after each token",
        _check_hooks,
    ),
)
