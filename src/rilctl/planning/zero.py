"""What DeepSpeed's ZeRO leaves on one device of several: weights, gradients and optimizer state are divided in stages.

Stage 1 divides the optimizer's state (float32 masters and both moments, 12 bytes a parameter), 2 also the float32 sums
of gradients, 3 also the weights, which come together layer by layer as they are needed.
"""

from dataclasses import dataclass, replace
from typing import Literal

from rilctl.planning.activations import FLOAT32
from rilctl.planning.memory import MOMENTS, Device, Held, Phase, torch_state

BUCKET = 500_000_000
"""Gradients that are on their way between devices at a time (DeepSpeed's `reduce_bucket_size`)."""
LIVE = 1_000_000_000
"""Weights that are whole at a time under stage 3 (DeepSpeed's `stage3_max_live_parameters`)."""


@dataclass(frozen=True)
class Zero:
    """How it is divided.

    Args:
        stage: 0 to 3.
        ranks: devices that share.
        offload: what waits in host memory.
    """

    stage: int
    ranks: int
    offload: Literal["none", "optimizer", "all"] = "none"

    @property
    def divides_weights(self) -> bool:
        """Whether a forward pass gathers them layer by layer, and may run no layer twice."""
        return self.stage == 3


def zero_state(trained: int, weight_bytes: int, zero: Zero) -> Held:
    """One device's part of a model whose weights all train.

    Args:
        trained: parameters.
        weight_bytes: of one in the forward pass.
        zero: how it is divided.
    """
    if zero.stage == 0:
        return torch_state(trained)
    share = -(-trained // zero.ranks)
    weights = divided_weights(trained, weight_bytes, zero)
    sums = FLOAT32 * (trained if zero.stage == 1 else share)
    buckets = min(trained, BUCKET) * weight_bytes * (1 if zero.divides_weights else 2)
    optimizer = (FLOAT32 + MOMENTS) * share
    if zero.offload == "none":
        return replace(weights, gradients=sums + buckets, optimizer=optimizer)
    return replace(weights, gradients=buckets, host=weights.host + sums + optimizer)


def saving_phase(held: Held, trained: int, zero: Zero | None, device: Device) -> Phase:
    """Writing a checkpoint: each device has its share of the parameters with both moments.

    What ZeRO divides is gathered first, one whole parameter after another. All is copied to host memory, which on a CPU
    is the device's.

    Args:
        held: on the device, when nobody learns.
        trained: parameters, over all devices.
        zero: how it is divided; None: torch in one process.
        device: where.
    """
    if device != "cpu":
        return Phase(held.present, 0, held.optimizer)
    is_divided = zero is not None and zero.stage > 0
    copies = -(-trained // (zero.ranks if zero else 1)) * (1 + is_divided)
    return Phase(held.present + FLOAT32 * copies, 0, held.optimizer + MOMENTS * copies)


def divided_weights(parameters: int, weight_bytes: int, zero: Zero) -> Held:
    """Weights alone: frozen ones, or those of a forward pass; divided under stage 3, else whole."""
    if not zero.divides_weights:
        return Held(parameters * weight_bytes)
    share = -(-parameters // zero.ranks) * weight_bytes
    gathered = min(parameters, LIVE) * weight_bytes
    return Held(host=share, gathered=gathered) if zero.offload == "all" else Held(share, gathered=gathered)
