"""Where tensors live."""

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
