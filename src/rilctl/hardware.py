"""What this process runs on, as artifacts keep it. Nothing in it says whose machine it is."""

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CPUS = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")
_GIB = 1024**3


def hardware(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What is known of it now; a fact that isn't known is absent.

    No library is loaded for it, and no GPU is woken: `device`, what this process computes on, is there once torch has
    begun to use one, or where there are no GPUs.

    Args:
        environment: has the number of processes that compute together, as launchers set it.

    Returns:
        processor: its name.
        cores: those that this process may use, and how many there are.
        memory: of the host.
        gpus: NVIDIA's, of the host, whoever may use them.
        device: the GPU of this process, or `cpu`.
        processes: that compute together, where there are several.
    """
    gpus = _gpus(_GPUS)
    facts = {
        "processor": _processor(_CPUS),
        "cores": _cores(),
        "memory": _memory(),
        "gpus": gpus,
        "device": _device(sys.modules.get("torch"), has_gpus=bool(gpus)),
        "processes": environment.get("WORLD_SIZE", ""),
    }
    if facts["processes"] == "1":
        facts["processes"] = ""
    return {name: fact for name, fact in facts.items() if fact}


def host_memory_bytes() -> int:
    """Memory of the host. Raises `ValueError` or `OSError` where the system doesn't say."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _processor(file: Path) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", file.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def _cores() -> str:
    every = os.cpu_count() or 1
    ours = len(os.sched_getaffinity(0)) if sys.platform == "linux" else every
    return str(every) if ours == every else f"{ours} of {every}"


def _memory() -> str:
    try:
        return f"{host_memory_bytes() / _GIB:.1f} GiB"
    except (AttributeError, ValueError, OSError):  # this system doesn't say
        return ""


def _gpus(directory: Path) -> str:
    names: list[str] = []
    try:
        for file in sorted(directory.glob("*/information")):
            found = re.search(r"^Model:\s*(.+)$", file.read_text(encoding="utf-8", errors="replace"), re.M)
            names += [found[1].strip()] if found else []
    except OSError:
        return ""
    return ", ".join(f"{num} x {name}" if num > 1 else name for name, num in Counter(names).items())


def _device(torch: Any, *, has_gpus: bool) -> str:
    """Of the torch that is loaded, if any."""
    if torch is None:
        return ""
    if not torch.cuda.is_initialized():
        return "" if has_gpus else "cpu"
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{found.name}, {found.total_memory / _GIB:.1f} GiB"
