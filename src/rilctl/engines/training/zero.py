"""DeepSpeed's ZeRO on a model: its settings, and weights that are divided over the ranks (stage 3)."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.errors import UsageError
from rilctl.models.lora import is_lora

T = TypeVar("T")
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")


class ForwardPass(nn.Module):
    """What DeepSpeed takes for the model: a forward pass is whatever is computed in it.

    Args:
        model: whose weights it uses.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[], T]) -> T:
        """Do it."""
        return compute()


class ZeroSharding:
    """A `Sharding` by DeepSpeed.

    Args:
        forward: runs a forward pass: DeepSpeed's engine, or, where nothing trains, the module that it has.
        module: that module.
        divides_weights: whether this is stage 3.
    """

    def __init__(self, forward: nn.Module, module: ForwardPass, *, divides_weights: bool) -> None:
        self.each_module_once = divides_weights
        self._forward = forward
        self._module = module

    def run(self, compute: Callable[[], T]) -> T:
        """See `Sharding`."""
        result: T = self._forward(compute)
        return result

    @contextmanager
    def whole(self) -> Iterator[None]:
        """See `Sharding`."""
        if not self.each_module_once:
            yield
            return
        import deepspeed

        own = [parameter for parameter in self._module.parameters() if hasattr(parameter, "ds_id")]
        with deepspeed.zero.GatheredParameters(own), without_hooks(self._module):
            yield


@contextmanager
def without_hooks(module: nn.Module) -> Iterator[None]:
    """No module calls its hooks inside: they would give the weights away again after each forward pass."""
    kept = [(part, name, getattr(part, name)) for part in module.modules() for name in _HOOKS]
    for part, name, _ in kept:
        setattr(part, name, OrderedDict())
    try:
        yield
    finally:
        for part, name, hooks in kept:
            setattr(part, name, hooks)


def initialize(
    model: nn.Module,
    head: nn.Parameter | None,
    config: DeepspeedEngineConfig,
    optimizer: torch.optim.Optimizer | None = None,
    max_grad_norm: float = 0.0,
) -> tuple[Any, ZeroSharding]:
    """Give a model to DeepSpeed.

    Args:
        model: its weights, on this process's device; adapters are left out.
        head: weights that a forward pass reads without running their module.
        config: stage and offload.
        optimizer: of the parameters that train; None: none does.
        max_grad_norm: gradients are clipped to it.

    Returns:
        DeepSpeed's engine, and how the model's weights are got at from now on.
    """
    module = ForwardPass(model)
    arguments = {"model": module, "optimizer": optimizer, "dist_init_required": False}
    weights = next(model.parameters())
    on_gpu = weights.device.type == "cuda"
    settings = settings_of(config, weights.dtype, _num_hidden(head), max_grad_norm, on_gpu=on_gpu)
    with warnings.catch_warnings(), _without_adapters(model):
        warnings.simplefilter("ignore")  # of torch's deprecations, none of which a person here could heed
        engine = import_deepspeed().initialize(**arguments, config=settings)[0]
    if config.zero_stage == 3 and head is not None:
        import_deepspeed().zero.register_external_parameter(module, head)
    forward = module if optimizer is None else engine
    return engine, ZeroSharding(forward, module, divides_weights=config.zero_stage == 3)


def import_deepspeed() -> Any:
    """The library, joined to the process group. Raises `UsageError` where it isn't installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import deepspeed
    except ImportError as error:
        raise UsageError(
            "engine.type = `deepspeed` needs DeepSpeed, which isn't installed",
            hint="install it with `DS_BUILD_OPS=0 pip install 'rilctl[deepspeed]'`",
        ) from error
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)  # DeepSpeed calls them
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # it would be compiled first, for two minutes
    if not deepspeed.comm.is_initialized():
        deepspeed.init_distributed(dist_init_required=True, verbose=False)
    return deepspeed


def settings_of(
    config: DeepspeedEngineConfig, dtype: torch.dtype, num_hidden: int, max_grad_norm: float, *, on_gpu: bool
) -> dict[str, Any]:
    """DeepSpeed's settings.

    Args:
        config: stage and offload.
        dtype: of the forward pass's weights.
        num_hidden: size of the hidden states; 0: unknown.
        max_grad_norm: gradients are clipped to it; 0: here nobody clips.
        on_gpu: whether streams run beside each other, and host memory can be pinned.
    """
    zero: dict[str, Any] = {"stage": config.zero_stage}
    # Below stage 2 gradients are reduced in `step`, once: there is nothing to overlap, and DeepSpeed refuses to try.
    zero["overlap_comm"] = on_gpu and config.zero_stage >= 2
    if config.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": on_gpu}
    if config.offload == "all":
        zero["offload_param"] = {"device": "cpu", "pin_memory": on_gpu}
    if config.zero_stage == 3:
        zero["stage3_param_persistence_threshold"] = 10 * num_hidden  # norms and biases stay everywhere
    settings = {
        "train_micro_batch_size_per_gpu": 1,  # not read: what a step is, is decided by who calls it
        "managed_gradient_accumulation": False,
        "gradient_clipping": max_grad_norm,
        "steps_per_print": None,
        "zero_force_ds_cpu_optimizer": False,  # ours is torch's, also where its state is on the host
        "zero_optimization": zero,
        "bf16": {"enabled": dtype == torch.bfloat16},
    }
    if config.zero_stage > 0:
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
    return settings


def _num_hidden(head: nn.Parameter | None) -> int:
    return 0 if head is None else int(head.shape[1])


@contextmanager
def _without_adapters(model: nn.Module) -> Iterator[None]:
    """No adapter is a part of the model inside, so that DeepSpeed leaves them whole on every rank."""
    kept = []
    for layer in model.modules():
        if is_lora(layer):
            kept += [(layer, name, child) for name, child in layer.named_children() if name.startswith("lora_")]
    for layer, name, _ in kept:
        delattr(layer, name)
    try:
        yield
    finally:
        for layer, name, child in kept:
            setattr(layer, name, child)
