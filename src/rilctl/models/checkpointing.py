"""Gradient checkpointing: activations are computed again in backward instead of being kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rilctl.models.vlm import Vlm


def enable_checkpointing(vlm: Vlm) -> None:
    """From now on `recomputing` makes a difference."""
    vlm.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def is_recomputing(vlm: Vlm) -> bool:
    """Whether a forward pass would now be one to be computed again: a key/value cache would be thrown away."""
    return bool(vlm.model.is_gradient_checkpointing) and torch.is_grad_enabled()


@contextmanager
def recomputing(vlm: Vlm) -> Iterator[None]:
    """A forward pass in it keeps no activations, where checkpointing is enabled and gradients are.

    The library checkpoints layers in training mode. Only they are put into it, not what is in them: no dropout.
    """
    layers = [module for module in vlm.model.modules() if getattr(module, "gradient_checkpointing", False)]
    layers = layers if is_recomputing(vlm) else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
