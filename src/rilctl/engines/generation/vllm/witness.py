"""Inside vLLM's worker: what the loader took, what the model holds, what the vision tower saw.

vLLM mixes `Witness` into its worker class (`--worker-extension-cls`) and calls its methods by name. A kernel may keep a
weight in a form of its own (on a CPU all linear layers are repacked), which can't be read back; so the checksums are
taken of every tensor on its way through the model's loader, whatever brought it, and again of what lies readable.
"""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from rilctl.models.loaded.weights import checksum
from rilctl.private.uses import require
from rilctl.private.vllm import fused_sizes, real_rows, renew_tied_heads, watch_model


class Witness:
    """Methods of vLLM's worker; what is declared here is the worker's own."""

    model_runner: Any
    vllm_config: Any
    device: torch.device
    reload_weights: Any

    def rilctl_boot(self) -> dict[str, Any]:
        """Which worker this is, as long as it lives, and what it was started with: see `Boot`."""
        config, transfer = self.vllm_config.model_config, self.vllm_config.weight_transfer_config
        if not hasattr(self, "rilctl_boot_id"):  # not at import: workers may be forked from one process
            require("vllm")
            self.rilctl_boot_id = uuid.uuid4().hex
            self.rilctl_started_with = config.model, config.revision, config.model_weights
        return {
            "boot_id": self.rilctl_boot_id,
            "dtype": str(config.dtype).removeprefix("torch."),
            "quantization": config.quantization,
            "transfer": None if transfer is None else transfer.backend,
        }

    def rilctl_watch(self) -> dict[str, Any]:
        """Begin to watch loader and vision tower, and forget what was seen."""
        model = self.model_runner.get_model()
        if not hasattr(model, "seen_tensors"):
            watch_model(model, lambda weights: self._hear(weights), lambda pictures: self._see(pictures))
        model.seen_tensors, model.seen_pixels = {}, None
        return {}

    def rilctl_restore(self) -> dict[str, Any]:
        """Load what this vLLM was started with, whatever it holds now, and watch that."""
        self.rilctl_watch()
        config = self.vllm_config.model_config
        config.model, config.revision, config.model_weights = self.rilctl_started_with  # an update names its own files
        self.reload_weights()
        if self.device.type == "cpu":  # a tied head has a copy there, which vLLM doesn't make anew
            renew_tied_heads(self.model_runner.get_model())
        return {}

    def rilctl_received(self) -> dict[str, Any]:
        """Checksum of each tensor that the loader took since `rilctl_watch`, by its name; empty without one."""
        return dict(getattr(self.model_runner.get_model(), "seen_tensors", {}))

    def rilctl_resident(self) -> dict[str, Any]:
        """Checksums of each weight that lies readable in the model: of the parts that were fused, or of the whole."""
        received = set(self.rilctl_received().values())
        found: dict[str, Any] = {}
        for prefix, module in self.model_runner.get_model().named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.numel():
                    found[f"{prefix}.{name}"] = _resident(module, parameter, received)
        return found

    def rilctl_pixels(self) -> dict[str, Any]:
        """Pixels of the last pictures that the vision tower was given, flat; empty where there were none."""
        pixels = self.model_runner.get_model().seen_pixels
        return {} if pixels is None else {"pixels": pixels.float().flatten().tolist()}

    def _hear(self, weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        received = self.model_runner.get_model().seen_tensors
        for name, tensor in weights:
            received[name] = checksum(tensor, self.device)
            yield name, tensor

    def _see(self, pictures: dict[str, Any]) -> dict[str, Any]:
        tensors = (value for name, value in pictures.items() if name.startswith("pixel_values"))
        pixels = next((each for each in tensors if isinstance(each, Tensor)), None)
        self.model_runner.get_model().seen_pixels = None if pixels is None else pixels.detach().cpu()
        return pictures


def _resident(module: Any, parameter: Tensor, received: set[str]) -> list[str]:
    """See `rilctl_resident`; padding of the vocabulary is left out."""
    whole, sizes = parameter[: real_rows(module)], fused_sizes(module)
    if len(sizes) > 1 and sum(sizes) == len(whole):
        parts = [checksum(part) for part in torch.split(whole, sizes)]
        if received.issuperset(parts):
            return parts
    return [checksum(whole)]
