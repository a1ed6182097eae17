"""Low-rank adapters on a model's frozen weights, of which one or none is at work.

PEFT's own switches also change which weights require gradients. Here all adapters do, always: what is trained is
decided by whose parameters an optimizer has, and a graph stays whole while another adapter is at work.

Shapes: N rows, T tokens, I width of what goes in, O of what comes out, R rank.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rilctl.private.peft import (
    activate,
    active_adapter,
    added_weight,
    base_layer,
    factors,
    has_adapter,
    is_lora,
    is_of,
    is_of_adapters,
    name_without_adapters,
)


def use_adapter(model: nn.Module, adapter: str | None) -> None:
    """From now on this adapter is at work; None: the frozen weights alone."""
    layers = list(_lora_layers(model))
    if adapter == adapter_at_work(model):
        return
    for layer in layers:
        activate(layer, adapter)
    for parameter in _lora_parameters(model).values():
        parameter.requires_grad_(True)


@contextmanager
def using_adapter(model: nn.Module, adapter: str | None) -> Iterator[None]:
    """This adapter is at work inside, the one before afterwards."""
    before = adapter_at_work(model)
    use_adapter(model, adapter)
    try:
        yield
    finally:
        use_adapter(model, before)


@contextmanager
def rounded_adapter(model: nn.Module) -> Iterator[None]:
    """The adapter at work is as precise as the weights inside, and adds two products to a layer; without gradients.

    PEFT computes an adapter in its own precision. Beside weights of 16 bits that is float32, with conversions before
    and after: eight small kernels, on which a GPU spends most of its time where it computes few tokens. Here both
    factors are rounded once, on the way in. What is sampled is then closer to what the trainer computes than with
    weights that the adapter is merged into and that are rounded afterwards.
    """
    adapter = adapter_at_work(model)
    layers = [layer for layer in _lora_layers(model) if has_adapter(layer, adapter)]
    try:
        for layer in layers:
            layer.forward = _two_products(layer, str(adapter))
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)  # the class has PEFT's


def _two_products(layer: Any, adapter: str) -> Callable[[Tensor], Tensor]:
    """A layer's forward pass; the second product is added in place."""
    weights: Any = base_layer(layer)
    device, dtype = weights.weight.device.type, weights.weight.dtype
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    down, up, scale = factors(layer, adapter)
    down_RI, up_RO = down.to(dtype), (up * scale).to(dtype).t()

    def forward(hidden_NTI: Tensor) -> Tensor:
        out_NTO: Tensor = weights(hidden_NTI)
        low_NTR = functional.linear(hidden_NTI, down_RI)
        out_NTO.view(-1, up_RO.shape[1]).addmm_(low_NTR.view(-1, up_RO.shape[0]), up_RO)
        return out_NTO

    return forward


def adapter_at_work(model: nn.Module) -> str | None:
    """Its name; None: the model has no adapter, or none is at work."""
    layer = next(_lora_layers(model), None)
    return None if layer is None else active_adapter(layer)


def adapter_parameters(model: nn.Module, adapter: str) -> list[tuple[str, nn.Parameter]]:
    """One adapter's weights under their names in the model."""
    return [(name, parameter) for name, parameter in model.named_parameters() if is_of(name, adapter)]


@torch.no_grad()
def merged_state_dict(model: nn.Module, adapter: str | None) -> dict[str, Tensor]:
    """The model's weights with one adapter added in, under the names of a model without adapters.

    The sum is taken in float32, then rounded to the weights' precision.
    """
    state = {
        name_without_adapters(name): tensor for name, tensor in model.state_dict().items() if not is_of_adapters(name)
    }
    for name, module in model.named_modules():
        if is_lora(module) and adapter is not None:
            weight = state[f"{name}.weight"]
            state[f"{name}.weight"] = (weight.float() + added_weight(module, adapter).float()).to(weight.dtype)
    return state


def _lora_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if is_of_adapters(name)}


def _lora_layers(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if is_lora(module))
