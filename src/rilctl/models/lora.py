"""Low-rank adapters on the language model's linear layers: attach, switch off, merge into plain weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rilctl.config.fields import LoraConfig
from rilctl.errors import UsageError
from rilctl.models.vlm import Vlm


def attach_lora(vlm: Vlm, config: LoraConfig, *, seed: int) -> None:
    """Freeze the model and give the language model's target layers an adapter, in place.

    Raises:
        UsageError: no layer has one of the target names.
    """
    import peft

    scope = r".*" if vlm.family == "text" else r".*language_model\..*"
    pattern = rf"{scope}\b({'|'.join(config.targets)})"
    options = peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules=pattern, lora_dropout=0.0)  # type: ignore[arg-type]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            peft.get_peft_model(vlm.model, options)
    except ValueError:
        names = ", ".join(config.targets)
        raise UsageError(f"no layer of {vlm.source.name} is named {names}", hint="set `lora.targets`") from None


def has_lora(model: nn.Module) -> bool:
    """Whether any layer has an adapter."""
    return any(True for _ in _lora_layers(model))


@contextmanager
def lora_disabled(model: nn.Module) -> Iterator[None]:
    """The base model alone: the reference. For use without gradients; which weights train is left as it was."""
    layers = list(_lora_layers(model))
    trains = {id(parameter): parameter.requires_grad for parameter in model.parameters()}
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for parameter in model.parameters():
            parameter.requires_grad_(trains[id(parameter)])


@torch.no_grad()
def merged_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights with every adapter added in, under the names of a model without adapters."""
    state = {
        name.replace(".base_layer.", "."): tensor for name, tensor in model.state_dict().items() if ".lora_" not in name
    }
    for name, module in model.named_modules():
        if _is_lora(module):
            weight = state[f"{name}.weight"]
            for adapter in module.active_adapters:
                weight = weight + module.get_delta_weight(adapter).to(weight.dtype)
            state[f"{name}.weight"] = weight
    return state


def _lora_layers(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if _is_lora(module))


def _is_lora(module: nn.Module) -> Any:
    return hasattr(module, "lora_A") and hasattr(module, "enable_adapters")
