"""Where tensors live, and who makes them."""

from typing import Literal

import torch

from rilctl.errors import UsageError


def pick_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device a recipe asks for; `auto` takes a GPU where there is one. Raises `UsageError`."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "device = `cuda`, but torch sees no GPU", hint="set `device` to `auto` or `cpu`; see `rilctl doctor`"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def pick_num_workers(num_workers: int | None, device: torch.device) -> int:
    """Processes that read pictures ahead: what a recipe asks for, else 4 beside a GPU and none on a CPU."""
    if num_workers is not None:
        return num_workers
    return 0 if device.type == "cpu" else 4
