"""DeepSpeed's ZeRO on a model: its settings, and weights that are divided over the ranks (stage 3)."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.errors import UsageError
from rilctl.private.deepspeed import hush_warnings, is_divided, leave_out_shm_op, whole_shape
from rilctl.private.peft import adapter_parts, is_lora
from rilctl.private.torch import without_hooks
from rilctl.private.uses import require

T = TypeVar("T")
_BUCKET = 500_000_000
"""Gradients that are on their way between ranks at a time, at most: DeepSpeed's own default."""


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
        beside: weights outside it that are divided like it.
        divides_weights: whether this is stage 3.
    """

    def __init__(
        self, forward: nn.Module, module: ForwardPass, beside: Iterable[nn.Parameter], *, divides_weights: bool
    ) -> None:
        self.each_module_once = divides_weights
        self._forward = forward
        self._module = module
        self._beside = tuple(beside)

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

        weights = dict.fromkeys((*self._module.parameters(), *self._beside))
        own = [parameter for parameter in weights if is_divided(parameter)]
        with deepspeed.zero.GatheredParameters(own), without_hooks(self._module):
            yield


def divide(model: nn.Module, config: DeepspeedEngineConfig) -> None:
    """Leave each rank its part of a model that is in host memory, as rank 0 has it (stage 3). Collective.

    One parameter after another goes to the device, and its host memory is free again. Adapters are left out.

    Args:
        model: on the host.
        config: offload: where the parts are kept.
    """
    deepspeed = import_deepspeed()
    dtype = next(model.parameters()).dtype
    settings = settings_of(config, dtype, num_trained=0, num_hidden=0, on_gpu=torch.cuda.is_available())
    with warnings.catch_warnings(), _without_adapters(model):
        warnings.simplefilter("ignore")
        deepspeed.zero.Init(module=model, config_dict_or_path=settings, dtype=dtype)


def initialize(
    model: nn.Module,
    head: nn.Parameter | None,
    config: DeepspeedEngineConfig,
    optimizer: torch.optim.Optimizer | None = None,
    max_grad_norm: float = 0.0,
    beside: Iterable[nn.Parameter] = (),
) -> tuple[Any, ZeroSharding]:
    """Give a model to DeepSpeed.

    Args:
        model: its weights, on this process's device, or divided already; adapters are left out.
        head: weights that a forward pass reads without running their module.
        config: stage and offload.
        optimizer: of the parameters that train; None: none does.
        max_grad_norm: gradients are clipped to it.
        beside: weights outside the model that come together with it where it is to be whole.

    Returns:
        DeepSpeed's engine, and how the model's weights are got at from now on.
    """
    module = ForwardPass(model)
    arguments = {"model": module, "optimizer": optimizer, "dist_init_required": False}
    weights = next(model.parameters())
    settings = settings_of(
        config,
        weights.dtype,
        max_grad_norm,
        num_trained=sum(math.prod(whole_shape(p)) for p in model.parameters() if p.requires_grad),
        num_hidden=0 if head is None else whole_shape(head)[1],
        on_gpu=weights.device.type == "cuda",
    )
    with warnings.catch_warnings(), _without_adapters(model):
        warnings.simplefilter("ignore")  # of torch's deprecations, none of which a person here could heed
        engine = import_deepspeed().initialize(**arguments, config=settings)[0]
    if config.zero_stage == 3 and head is not None:
        import_deepspeed().zero.register_external_parameter(module, head)
    forward = module if optimizer is None else engine
    return engine, ZeroSharding(forward, module, beside, divides_weights=config.zero_stage == 3)


def import_deepspeed() -> Any:
    """The library, joined to the process group.

    Raises:
        UsageError: it isn't installed.
        EngineError: it isn't such as we know it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import deepspeed
    except ImportError as error:
        raise UsageError(
            "engine.type = `deepspeed` needs DeepSpeed, which isn't installed",
            hint="install it with `DS_BUILD_OPS=0 pip install 'rilctl[deepspeed]'`",
        ) from error
    require("deepspeed")
    hush_warnings()
    leave_out_shm_op()
    if not deepspeed.comm.is_initialized():
        deepspeed.init_distributed(dist_init_required=True, verbose=False)
    return deepspeed


def settings_of(
    config: DeepspeedEngineConfig,
    dtype: torch.dtype,
    max_grad_norm: float = 0.0,
    *,
    num_trained: int,
    num_hidden: int,
    on_gpu: bool,
) -> dict[str, Any]:
    """DeepSpeed's settings.

    Args:
        config: stage and offload.
        dtype: of the forward pass's weights.
        max_grad_norm: gradients are clipped to it; 0: here nobody clips.
        num_trained: parameters that train; a bucket for gradients need not be larger.
        num_hidden: size of the hidden states; 0: unknown.
        on_gpu: whether streams run beside each other, and host memory can be pinned.
    """
    zero: dict[str, Any] = {"stage": config.zero_stage}
    # Below stage 2 gradients are reduced in `step`, once: there is nothing to overlap, and DeepSpeed refuses to try.
    zero["overlap_comm"] = on_gpu and config.zero_stage >= 2
    if num_trained:
        zero["reduce_bucket_size"] = min(_BUCKET, num_trained)
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
        # A step whose gradient isn't finite is left out; in float32 DeepSpeed does that unasked.
        "bf16": {"enabled": dtype == torch.bfloat16, "check_grad_overflow": True},
    }
    if config.zero_stage > 0:
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
    return settings


@contextmanager
def _without_adapters(model: nn.Module) -> Iterator[None]:
    """No adapter is a part of the model inside, so that DeepSpeed leaves them whole on every rank."""
    kept = []
    for layer in model.modules():
        if is_lora(layer):
            kept += [(layer, name, child) for name, child in adapter_parts(layer)]
    for layer, name, _ in kept:
        delattr(layer, name)
    try:
        yield
    finally:
        for layer, name, child in kept:
            setattr(layer, name, child)
