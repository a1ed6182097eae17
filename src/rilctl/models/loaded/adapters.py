"""Adapters that belong to a role: made on a model's frozen weights, written and read in PEFT's layout."""

import copy
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from rilctl.config.fields import LoraConfig
from rilctl.errors import ModelError, UsageError
from rilctl.models.loaded.lora import adapter_parameters, merged_state_dict, use_adapter
from rilctl.models.loaded.saving import saving
from rilctl.models.loaded.vlm import Vlm
from rilctl.private.peft import base_layer, config_of, forget_configs, inject, is_lora, name_in_file
from rilctl.private.uses import require

WEIGHTS_FILE = "adapter_model.safetensors"


def with_adapter(vlm: Vlm, config: LoraConfig, *, adapter: str, seed: int) -> Vlm:
    """A model that shares this one's weights, frozen from now on, and trains an adapter of its own.

    Args:
        vlm: the model; other adapters on it stay as they are.
        config: rank, scale and which of the language model's layers.
        adapter: its name: the role that it plays.
        seed: of its random weights; it starts as the model is.

    Raises:
        UsageError: no layer has one of the target names, or one is an embedding or the head.
        EngineError: the installed PEFT isn't such as we know it.
    """
    import peft

    require("peft")
    options = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]
        target_modules=_pattern(vlm, config),
        base_model_name_or_path=vlm.source.name,
        revision=vlm.source.revision,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject(vlm.model, options, adapter=adapter)
    for _, parameter in adapter_parameters(vlm.model, adapter):
        parameter.data = parameter.data.float()  # also where the frozen weights have a lower precision
    use_adapter(vlm.model, adapter)
    return _in_role(vlm, adapter)


def without_adapter(vlm: Vlm) -> Vlm:
    """The weights below a model's adapter, in a role of their own."""
    return _in_role(vlm, None)


def save_adapter(vlm: Vlm, directory: Path) -> None:
    """Write the model's adapter, without the weights it stands on; PEFT reads the directory."""
    assert vlm.adapter is not None
    weights = adapter_parameters(vlm.model, vlm.adapter)
    tensors = {name_in_file(name, vlm.adapter): parameter.detach().contiguous() for name, parameter in weights}
    with saving(directory):
        config_of(vlm.model, vlm.adapter).save_pretrained(directory)
        save_file(tensors, directory / WEIGHTS_FILE)


@torch.no_grad()
def load_adapter(vlm: Vlm, directory: Path) -> None:
    """Take an adapter's weights from a directory. Raises `ModelError` unless all fit."""
    assert vlm.adapter is not None
    file, hint = directory / WEIGHTS_FILE, "run the verb that wrote it again"
    try:
        found = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file} can't be read: {error}", hint=hint) from error
    own = {name_in_file(name, vlm.adapter): parameter for name, parameter in adapter_parameters(vlm.model, vlm.adapter)}
    if {name: tensor.shape for name, tensor in found.items()} != {name: p.shape for name, p in own.items()}:
        raise ModelError(f"{file} doesn't fit {vlm.source.name}: other layers or another rank", hint=hint)
    for name, parameter in own.items():
        parameter.copy_(found[name])


@torch.no_grad()
def merge_adapter(vlm: Vlm) -> Vlm:
    """The model with its adapter, if it has one, added to its weights, which all train from now on. In place."""
    if vlm.adapter is None:
        return vlm
    state = merged_state_dict(vlm.model, vlm.adapter)
    for name, module in list(vlm.model.named_modules()):
        if is_lora(module):
            vlm.model.set_submodule(name, base_layer(module))
    vlm.model.load_state_dict(state)
    forget_configs(vlm.model)
    vlm.model.requires_grad_(True)
    return _in_role(vlm, None)


def _in_role(vlm: Vlm, adapter: str | None) -> Vlm:
    """The same model and processor with another adapter."""
    role = copy.copy(vlm)
    role.adapter = adapter
    return role


def _pattern(vlm: Vlm, config: LoraConfig) -> str:
    """The target layers as a regular expression over names. Raises as `with_adapter` does."""
    decoder = next(name for name, module in vlm.model.named_modules() if module is vlm.decoder)
    scope = rf"{re.escape(decoder)}\..*"
    layers = [(name, module) for name, module in vlm.model.named_modules() if re.fullmatch(scope, name)]
    linear = {name.rpartition(".")[2] for name, module in layers if _takes_adapter(module, vlm)}
    missing = [target for target in config.targets if target not in linear]
    if missing:
        raise UsageError(
            f"no layer of {vlm.source.name} that can have an adapter is named {', '.join(missing)}",
            hint=f"`lora.targets` may hold {', '.join(sorted(linear))}",
        )
    return rf"{scope}\b({'|'.join(config.targets)})"


def _takes_adapter(module: nn.Module, vlm: Vlm) -> bool:
    """Embeddings and head are left alone: they may be one tensor, and log-probabilities read the head's weights."""
    return (isinstance(module, nn.Linear) or is_lora(module)) and module is not vlm.lm_head
