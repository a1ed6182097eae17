"""A plan's device: where the memory is that a run needs, and how much of it there is."""

from dataclasses import dataclass

import torch

from rilctl.config.engines import (
    GenerationEngineConfig,
    TrainingEngineConfig,
    VllmEngineConfig,
    VllmServerEngineConfig,
)
from rilctl.models.devices import pick_device
from rilctl.planning.memory import Device, Phase
from rilctl.planning.plan import Fact, Section, Table
from rilctl.stages.context import StageContext

GB = 1e9


@dataclass(frozen=True)
class PlannedDevice:
    """One device of those that train.

    Args:
        kind: a device that the recipe names need not be here.
        capacity: bytes of its memory; None: unknown.
    """

    kind: Device
    capacity: int | None

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
    if stated is not None:
        return PlannedDevice(kind, int(stated * GB))
    if kind == "cuda" and torch.cuda.is_available():
        return PlannedDevice(kind, int(torch.cuda.get_device_properties(0).total_memory))
    return PlannedDevice(kind, None)


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
    if phases[host].host:
        note = f"{host}; of rank 0, where one model after another is read and written" if ranks > 1 else host
        facts.append(Fact("host memory", phases[host].host, "bytes", note))
    if ranks > 1 and (each := phases["idle"].host):
        facts.append(Fact("host memory of all", phases[host].host + (ranks - 1) * each, "bytes", f"{ranks} processes"))
    if device.capacity is not None:
        free = device.capacity - peak
        what = f"{free / device.capacity:.0%} to spare" if free >= 0 else "it doesn't fit"
        facts.append(Fact("fits", free >= 0, note=f"in {device.capacity / GB:.0f} GB, {what}"))
    return [table, Section("peak memory", (*facts, *more))]
