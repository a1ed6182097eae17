"""Private API of DeepSpeed. Nothing here imports it before it is needed.

Its accessors (`deepspeed.utils.safe_get_full_*`) are documented, and used as they are.
"""

import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rilctl.private.uses import Use, lacking

if TYPE_CHECKING:  # the command line reads this file, and answers without torch
    from torch import Tensor, nn

_STATE_WHY = "to write optimizer state for any engine: DeepSpeed's own checkpoints are pickled, for one number of ranks"
_PARTS_WHY = "to tell weights that ZeRO-3 divides from others, and to write into a rank's own part"
_STAGES = {
    "runtime.zero.stage_1_and_2.DeepSpeedZeroOptimizer": (
        "averaged_gradients",
        "bit16_groups",
        "single_partition_of_fp32_groups",
    ),
    "runtime.zero.stage3.DeepSpeedZeroOptimizer_Stage3": ("fp32_partitioned_groups_flat",),
    "runtime.bf16_optimizer.BF16_Optimizer": ("bf16_groups", "fp32_groups_flat_partition"),
}
"""What the optimizer of each stage keeps; the last one is that of stage 1 in bfloat16 without offload."""


def hush_log() -> None:
    """Leave one line out: transformers imports DeepSpeed wherever it is installed, which then misses a GPU.

    Where the line has other words by now, it shows.
    """
    logging.getLogger("DeepSpeed").addFilter(lambda record: not record.getMessage().startswith("Setting accelerator"))


def hush_warnings() -> None:
    """Leave out what torch says of DeepSpeed's calls, which a person here couldn't heed."""
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)


def leave_out_shm_op() -> None:
    """Do without an operation for CPUs, which would be compiled first, for two minutes."""
    import_module("deepspeed.ops").__compatible_ops__["deepspeed_shm_comm"] = False


def end_group() -> bool:
    """End the process group and what DeepSpeed remembers of it; False where it hasn't joined one."""
    comm = sys.modules.get("deepspeed.comm")
    if comm is None or not comm.is_initialized():
        return False
    comm.destroy_process_group()
    return True


def is_divided(parameter: "nn.Parameter") -> bool:
    """Whether each rank has its part of a weight (stage 3)."""
    return hasattr(parameter, "ds_id")


def whole_shape(parameter: "nn.Parameter") -> tuple[int, ...]:
    """A parameter's shape, also where this process has only a part of it."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def own_part(parameter: "nn.Parameter") -> "Tensor":
    """This rank's part of a weight that is divided, flat."""
    part: Tensor = parameter.ds_tensor.data  # type: ignore[attr-defined]
    return part


def masters(zero: Any) -> "list[Tensor]":
    """This rank's float32 masters, one tensor for each group of a ZeRO optimizer or part of it; stages 1 to 3."""
    names = ("fp32_partitioned_groups_flat", "fp32_groups_flat_partition", "single_partition_of_fp32_groups")
    found = next((name for name in names if hasattr(zero, name)), None)
    if found is None:
        raise lacking("deepspeed", f"{type(zero).__name__}.{names[-1]}", _STATE_WHY)
    return list(getattr(zero, found))


def forget_gradients(zero: Any) -> None:
    """Gradients of a step that was left out, which stages 1 and 2 keep with offload."""
    if not hasattr(zero, "bf16_groups"):
        for group in zero.averaged_gradients:
            zero.averaged_gradients[group] = None


def link_moments(zero: Any, state: Mapping[Any, Any]) -> None:
    """Tie moments to the parameters of all groups; below stage 3 DeepSpeed does so for the first group only.

    Args:
        zero: the ZeRO optimizer.
        state: of the optimizer inside it.
    """
    link = import_module("deepspeed.utils").lazy_init_hp_params_optimizer_state
    groups = zero.bf16_groups if hasattr(zero, "bf16_groups") else zero.bit16_groups
    for group, flat in zip(groups, masters(zero), strict=True):
        link(group, flat, state)


def _sets(path: str, names: tuple[str, ...]) -> Callable[[], None]:
    """A check that a class's code names these attributes: they are made when a model trains, so none is there yet."""

    def check() -> None:
        module, _, name = path.rpartition(".")
        owner = getattr(import_module(f"deepspeed.{module}"), name)
        functions = [each for each in vars(owner).values() if inspect.isfunction(each)]
        named = {used for function in functions for used in function.__code__.co_names}
        missing = [each for each in names if each not in named]
        if missing:
            raise AttributeError(f"{name}.{missing[0]}")

    return check


def _check_shm_op() -> None:
    known = import_module("deepspeed.ops").__compatible_ops__
    on_cpu = import_module("deepspeed.accelerator").get_accelerator().device_name() == "cpu"
    if on_cpu and "deepspeed_shm_comm" not in known:  # on a GPU there is no such operation
        raise KeyError("deepspeed_shm_comm")


def _check_link() -> None:
    inspect.signature(import_module("deepspeed.utils").lazy_init_hp_params_optimizer_state).bind([], None, {})


def _check_group() -> None:
    comm = import_module("deepspeed.comm")
    if not callable(comm.is_initialized) or not callable(comm.destroy_process_group):
        raise TypeError("no functions")


USES = (
    Use(
        "ops.__compatible_ops__",
        "to start at once on a CPU: nothing public leaves an operation out",
        _check_shm_op,
    ),
    Use(
        "comm.destroy_process_group",
        "to train twice in a process: torch's own leaves DeepSpeed with a group that is gone",
        _check_group,
    ),
    Use("utils.lazy_init_hp_params_optimizer_state", _STATE_WHY, _check_link),
    Use(
        "Parameter.ds_id, ds_shape and ds_tensor",
        _PARTS_WHY,
        _sets("runtime.zero.partition_parameters.Init", ("ds_id", "ds_shape", "ds_tensor")),
    ),
    *(Use(f"{path.rpartition('.')[2]}.{names[0]}", _STATE_WHY, _sets(path, names)) for path, names in _STAGES.items()),
)
