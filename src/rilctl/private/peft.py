"""PEFT's LoRA layers: what they are made of, and how they are named."""

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rilctl.private.uses import Use, lacking

_MARK = ".lora_"
"""In the name of every weight of an adapter, and of no other."""
_LAYER_WHY = "to switch roles without freezing weights, and to add both factors' products at once: nothing public does"
_NAMES_WHY = "to tell adapters' weights from others by name, and write them as PEFT reads them"


def inject(model: Any, options: Any, *, adapter: str) -> None:
    """Put an adapter on a model's layers. Raises `EngineError` where they aren't such as `is_lora` knows."""
    import peft

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")  # another role's
        peft.inject_adapter_in_model(options, model, adapter_name=adapter)
    if not any(is_lora(module) and has_adapter(module, adapter) for module in model.modules()):
        raise lacking("peft", "LoraLayer.lora_A", _LAYER_WHY)


def is_lora(module: nn.Module) -> bool:
    """Whether this is a layer with adapters; where nobody has imported PEFT, none is."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(module, peft.tuners.lora.LoraLayer)


def has_adapter(layer: Any, adapter: str | None) -> bool:
    """Whether a LoRA layer has an adapter of that name."""
    return adapter in layer.lora_A


def activate(layer: Any, adapter: str | None) -> None:
    """From now on this adapter of a LoRA layer is at work; None: the frozen weights alone."""
    if adapter is None:
        layer.enable_adapters(False)
    else:
        layer.set_adapter(adapter)
        layer.enable_adapters(True)


def active_adapter(layer: Any) -> str | None:
    """The adapter of a LoRA layer that is at work."""
    return None if layer.disable_adapters else str(layer.active_adapters[0])


def base_layer(layer: Any) -> nn.Module:
    """The layer that adapters were put on."""
    base: nn.Module = layer.base_layer
    return base


def factors(layer: Any, adapter: str) -> tuple[Tensor, Tensor, float]:
    """What an adapter adds to a layer's weight is `scale * up @ down`: down, of shape (rank, inputs), up and scale."""
    return layer.lora_A[adapter].weight, layer.lora_B[adapter].weight, float(layer.scaling[adapter])


def added_weight(layer: Any, adapter: str) -> Tensor:
    """What an adapter adds to a layer's weight."""
    delta: Tensor = layer.get_delta_weight(adapter)
    return delta


def adapter_parts(layer: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules of a LoRA layer that are its adapters', by their names in it."""
    return ((name, child) for name, child in layer.named_children() if f".{name}".startswith(_MARK))


def is_of_adapters(name: str) -> bool:
    """Whether a weight of that name is an adapter's."""
    return _MARK in name


def is_of(name: str, adapter: str) -> bool:
    """Whether a weight is one of this adapter's."""
    return is_of_adapters(name) and f".{adapter}." in name


def name_without_adapters(name: str) -> str:
    """A weight's name in the model as it was before it had adapters."""
    return name.replace(".base_layer.", ".")


def name_in_file(name: str, adapter: str) -> str:
    """The name of an adapter's weight in PEFT's files."""
    return f"base_model.model.{name.replace(f'.{adapter}.', '.')}"


def config_of(model: Any, adapter: str) -> Any:
    """PEFT's configuration of an adapter, which it leaves on the model."""
    return model.peft_config[adapter]


def forget_configs(model: Any) -> None:
    """A model without adapters is as if it never had any."""
    del model.peft_config


def _small(check: Callable[[nn.Module, Any], None]) -> Callable[[], None]:
    """A check of a module with one LoRA layer, `inner`, whose adapter `role` isn't zero."""

    def run() -> None:
        import peft

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = nn.ModuleDict({"inner": nn.Linear(3, 2)})
            inject(model, peft.LoraConfig(r=1, target_modules=["inner"], init_lora_weights=False), adapter="role")
        check(model, model["inner"])

    return run


@torch.no_grad()
def _check_layer(model: nn.Module, layer: Any) -> None:
    given = torch.ones(1, 3)
    down, up, scale = factors(layer, "role")
    plain = base_layer(layer)(given)
    torch.testing.assert_close(layer(given), plain + scale * given @ down.T @ up.T)
    torch.testing.assert_close(added_weight(layer, "role"), scale * up @ down)
    activate(layer, None)
    torch.testing.assert_close(layer(given), plain)
    if active_adapter(layer) is not None:
        raise ValueError("an adapter is at work")
    activate(layer, "role")
    if active_adapter(layer) != "role" or not is_lora(layer) or is_lora(model):
        raise ValueError("no adapter is at work")


def _check_names(model: nn.Module, layer: Any) -> None:
    import peft

    own = {name for name, _ in model.named_parameters() if is_of(name, "role")}
    saved = peft.get_peft_model_state_dict(model, adapter_name="role")
    if {name_in_file(name, "role") for name in own} != {f"base_model.model.{name}" for name in saved}:
        raise ValueError(f"names are {', '.join(saved)}")
    others = {name_without_adapters(name) for name, _ in model.named_parameters() if name not in own}
    if others != {"inner.weight", "inner.bias"}:
        raise ValueError(f"names without adapters are {', '.join(sorted(others))}")
    if {f".{name}." for name, _ in adapter_parts(layer)} < {".lora_A.", ".lora_B."}:
        raise ValueError("adapters have other parts")
    config_of(model, "role")
    forget_configs(model)


USES = (
    Use("LoraLayer.lora_A and what stands beside it", _LAYER_WHY, _small(_check_layer)),
    Use("names of weights with `.lora_` and `.base_layer.`", _NAMES_WHY, _small(_check_names)),
)
