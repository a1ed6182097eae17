"""A plan's device: where the memory is that a run needs, and how much of it there is."""

from dataclasses import dataclass

import torch

from rilctl.config.engines import (
    GenerationEngineConfig,
    TrainingEngineConfig,
    VllmEngineConfig,
    VllmServerEngineConfig,
)
from rilctl.hardware import host_memory_bytes
from rilctl.models.loaded.devices import pick_device
from rilctl.planning.memory import Device, Phase
from rilctl.planning.plan import Fact, Section, Table
from rilctl.stages.shared.context import StageContext

GB = 1e9


@dataclass(frozen=True)
class PlannedDevice:
    """One device of those that train.

    Args:
        kind: a device that the recipe names need not be here.
        capacity: bytes of its memory; None: unknown.
        host_capacity: bytes of host memory of all processes; None: unknown.
    """

    kind: Device
    capacity: int | None
    host_capacity: int | None = None

    def name(self, ranks: int) -> str:
        """As a person calls it, among so many that share the training."""
        if ranks > 1:
            return f"of one {'GPU' if self.kind == 'cuda' else 'process'} of {ranks}"
        return "of one GPU" if self.kind == "cuda" else "of this process"


def planned_device(context: StageContext, engine: TrainingEngineConfig | GenerationEngineConfig) -> PlannedDevice:
    """What an engine table means by its device."""
    wanted = "auto" if isinstance(engine, VllmEngineConfig | VllmServerEngineConfig) else engine.device
    stated = context.recipe.plan.device_memory_gb
    if wanted == "auto":  # memory of a GPU is stated for a GPU, also on a machine that has none
        wanted = "cuda" if stated is not None or pick_device(wanted).type == "cuda" else "cpu"
    kind: Device = wanted
    host = context.recipe.plan.host_memory_gb
    host_capacity = None if host is None else int(host * GB)
    if stated is not None:
        return PlannedDevice(kind, int(stated * GB), host_capacity)
    if kind == "cuda" and torch.cuda.is_available():
        capacity = int(torch.cuda.get_device_properties(0).total_memory)
        return PlannedDevice(kind, capacity, host_capacity or host_memory_bytes())
    return PlannedDevice(kind, None, host_capacity)


def memory_sections(
    device: PlannedDevice, phases: dict[str, Phase], more: tuple[Fact, ...] = (), *, ranks: int = 1
) -> list[Section | Table]:
    """A table of the phases, and the largest of them; on one of so many devices."""
    rows = {name: phase.columns() for name, phase in phases.items()}
    table = Table("memory", "bytes", rows, about=device.name(ranks))
    largest = max(phases, key=lambda name: phases[name].total)
    peak = phases[largest].total
    facts = [Fact("peak", peak, "bytes", f"{largest}; libraries and allocators come on top")]
    host = max(phases, key=lambda name: phases[name].host)
    host_bytes = phases[host].host
    if host_bytes:
        note = f"{host}; of rank 0, where one model after another is read and written" if ranks > 1 else host
        facts.append(Fact("host memory", host_bytes, "bytes", note))
    if ranks > 1 and (each := phases["idle"].host):
        host_bytes += (ranks - 1) * each
        facts.append(Fact("host memory of all", host_bytes, "bytes", f"{ranks} processes"))
    if device.capacity is not None:
        facts.append(_fits("fits", peak, device.capacity))
    if device.host_capacity is not None and host_bytes:
        facts.append(_fits("host fits", host_bytes, device.host_capacity))
    return [table, Section("peak memory", (*facts, *more))]


def _fits(name: str, needed: int, capacity: int) -> Fact:
    free = capacity - needed
    what = f"{free / capacity:.0%} to spare" if free >= 0 else "it doesn't fit"
    return Fact(name, free >= 0, note=f"in {capacity / GB:.0f} GB, {what}")
