"""Gradient checkpointing: activations are computed again in backward instead of being kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from rilctl.models.loaded.lora import adapter_at_work, using_adapter
from rilctl.models.loaded.vlm import Vlm
from rilctl.private import transformers as checkpointing


def enable_checkpointing(vlm: Vlm) -> None:
    """From now on `recomputing` makes a difference, for all roles on the same weights.

    What is computed again is computed with the adapter that was at work, whichever is by then.
    """
    model = vlm.model

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), using_adapter(model, adapter_at_work(model))

    checkpointing.enable_checkpointing(model, vlm.decoder.layers, contexts)


def is_recomputing(vlm: Vlm) -> bool:
    """Whether a forward pass would now be one to be computed again: a key/value cache would be thrown away."""
    return torch.is_grad_enabled() and bool(checkpointing.checkpointed_layers(vlm.model))


@contextmanager
def recomputing(vlm: Vlm) -> Iterator[None]:
    """A forward pass in it keeps no activations, where checkpointing is enabled and gradients are.

    The library checkpoints layers in training mode. Only they are put into it, not what is in them: no dropout.
    """
    layers = checkpointing.checkpointed_layers(vlm.model) if torch.is_grad_enabled() else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
