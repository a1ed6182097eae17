"""Private API of torch."""

import inspect
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from rilctl.private import flash
from rilctl.private.uses import Use

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")


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


def record_cuda_memory(max_events: int | None) -> None:
    """Note who allocates and frees memory on the device, the newest so many times; None: no longer."""
    if max_events is None:
        torch.cuda.memory._record_memory_history(enabled=None)
    else:
        torch.cuda.memory._record_memory_history(max_entries=max_events)


def save_cuda_memory(path: Path) -> None:
    """Write what is in the device's memory and what was noted, in the form that torch's viewer reads."""
    torch.cuda.memory._dump_snapshot(str(path))  # type: ignore[no-untyped-call]


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
        torch.empty(1 << 50, dtype=torch.uint8, device="cpu")  # more than an address space holds
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
    *flash.USES,
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
