"""SmolVLM and SmolVLM2, and Idefics3, whose architecture they have.

The library's processor of SmolVLM2 wants a video processor and `num2words`, both for videos. Of pictures it makes what
that of Idefics3 does, which wants neither.
"""

from typing import Any

from torch import Tensor

from rilctl.models.families.record import Family


def _features(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """A picture's tiles first: the library's dimensions are prompts, of which there is one, and tiles."""
    return {name: tensor.transpose(0, 1) for name, tensor in features.items()}


def _shuffled_patches(config: Any) -> int:
    """Patches that become one token: a square of `scale_factor`."""
    return int(config.scale_factor) ** 2


FAMILY = Family(
    name="smolvlm",
    model_types=("smolvlm", "idefics3"),
    processor="Idefics3Processor",
    template_begins=True,
    end_token="<end_of_utterance>",
    features=_features,
    patches_per_token=_shuffled_patches,
)
