"""That vLLM's vision tower is given the pixels that ours is."""

import torch

from rilctl.engines.generation.vllm.backend import Backend
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.errors import EngineError
from rilctl.models.loaded.processor import EncodedPrompt

MAX_GREY_LEVELS = 3.0
"""Largest difference of a pixel, in steps of 1/255: libraries round a resized picture otherwise."""


def check_pixels(backend: Backend, reader: Reader, prompt: EncodedPrompt) -> None:
    """Raise `EngineError` where vLLM's vision tower was given other pixels for the pictures of its last prompt.

    Args:
        backend: whose vision tower is watched.
        reader: how we make pixels.
        prompt: the last one that vLLM was asked, alone.
    """
    ours = prompt.features.get("pixel_values")
    seen = [reply["pixels"] for reply in backend.workers("rilctl_pixels") if reply]
    if ours is None or not seen:
        return
    theirs = torch.tensor(seen[0])
    hint = "give vLLM the same model directory; a server needs `--no-mm-device-do-normalize`"
    if theirs.numel() != ours.numel():
        values = f"{theirs.numel():,} pixel values of a picture, we make {ours.numel():,}"
        raise EngineError(f"vLLM's image processor makes {values}", hint=hint)
    std = torch.tensor(reader.encoder.processor.image_processor.image_std).mean()
    levels = float((theirs - ours.float().flatten()).abs().max() * std * 255)
    if levels > MAX_GREY_LEVELS:
        raise EngineError(f"vLLM's pixels differ from ours by {levels:.1f} of 255 grey levels", hint=hint)
