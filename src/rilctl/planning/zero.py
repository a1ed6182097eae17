"""What DeepSpeed's ZeRO leaves on one device of several: weights, gradients and optimizer state are divided in stages.

Stage 1 divides the optimizer's state (float32 masters and both moments, 12 bytes a parameter), 2 also the float32 sums
of gradients, 3 also the weights, which come together layer by layer as they are needed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.activations import FLOAT32
from rilctl.planning.memory import MOMENTS, Device, Held, Phase, torch_state

BUCKET = 500_000_000
"""Gradients that are on their way between devices at a time, at most (`reduce_bucket_size`)."""
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

    Stage 3 has its float32 sums of gradients, and the bucket in which they travel, from the start. So has stage 1 in
    bfloat16 without offload, whole, and each weight's own gradient from the first step on.

    Args:
        trained: parameters.
        weight_bytes: of one in the forward pass.
        zero: how it is divided.
    """
    if zero.stage == 0:
        return torch_state(trained)
    share = -(-trained // zero.ranks)
    held = divided_weights(trained, weight_bytes, zero)
    bucket = min(trained, BUCKET) * weight_bytes
    optimizer = (FLOAT32 + MOMENTS) * share
    sums = FLOAT32 * (trained if zero.stage == 1 else share)
    if zero.offload != "none":
        held = replace(held, host=held.host + optimizer + sums)
        optimizer = sums = 0
    if zero.stage == 3:
        return replace(held, gradients=bucket, standing=sums + bucket, optimizer=optimizer)
    if zero.stage == 2:
        return replace(held, gradients=sums + 2 * bucket, optimizer=optimizer)
    if weight_bytes < FLOAT32 and zero.offload == "none":
        return replace(held, standing=sums + weight_bytes * trained, optimizer=optimizer)
    own = FLOAT32 * trained  # each weight's gradient waits beside it for the step
    return replace(held, gradients=own + bucket, optimizer=optimizer)


def saving_phase(held: Held, largest: int, zero: Zero | None) -> Phase:
    """Writing a checkpoint: what ZeRO divides comes together one tensor after another, and goes to the disk.

    Args:
        held: on the device.
        largest: parameters of the largest tensor.
        zero: how it is divided; None: torch in one process.
    """
    there = held.at_rest
    return replace(there, optimizer=there.optimizer + FLOAT32 * largest) if zero and zero.stage > 0 else there


def divided_weights(parameters: int, weight_bytes: int, zero: Zero) -> Held:
    """Weights alone: frozen ones, or those of a forward pass; divided under stage 3, else whole."""
    if not zero.divides_weights:
        return Held(parameters * weight_bytes)
    share = -(-parameters // zero.ranks) * weight_bytes
    gathered = min(parameters, LIVE) * weight_bytes
    return Held(host=share, gathered=gathered) if zero.offload == "all" else Held(share, gathered=gathered)


def loading_phase(
    reads: Sequence[tuple[Anatomy, int]], zero: Zero | None, device: Device, *, waiting: Collection[int] = ()
) -> Phase:
    """Reading models, one after another, before any has an optimizer.

    Each is read into host memory, which on a CPU is the device's, and goes to the device tensor by tensor. With
    DeepSpeed rank 0 alone reads; the others need what it needs on the device.

    Args:
        reads: each model's anatomy, and the bytes of one of its weights; in order.
        zero: how it is divided; None: torch in one process.
        device: where.
        waiting: places of those that stay on the host.
    """
    placed, peak = Held(), Phase()
    for place, (anatomy, element) in enumerate(reads):
        whole = anatomy.parameters * element
        largest = anatomy.embedding * element if zero and zero.divides_weights else 0
        part = divided_weights(anatomy.parameters, element, zero) if zero else Held(whole)
        part = Held(host=whole) if place in waiting else part
        on_device = placed.weights + part.weights + largest
        if device == "cpu":
            on_device, whole = max(on_device, placed.weights + whole + largest), 0
        host = placed.host + max(whole, part.host)
        peak = Phase(max(peak.weights, on_device), host=max(peak.host, host))
        placed += replace(part, gathered=0)
    return peak
