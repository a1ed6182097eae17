"""LLaVA: each patch of the vision tower is a token."""

from collections.abc import Mapping
from typing import Any

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import Family, fixed_size
from rilctl.models.families.wrapped_tower import wrapped


def _bound_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    try:
        size, patch_px = pixels["crop_size"], int(own["patch_size"])
    except KeyError as error:
        raise ValueError(f"its processor's files have no {error}") from error
    sides = (size["height"], size["width"]) if isinstance(size, Mapping) else (size, size)
    num_patches = (sides[0] // patch_px) * (sides[1] // patch_px)
    without_class = own.get("vision_feature_select_strategy") == "default"
    return fixed_size(num_patches + int(own.get("num_additional_image_tokens", 0)) - without_class, bounds)


FAMILY = Family(
    name="llava",
    model_types=("llava",),
    processor="LlavaProcessor",
    checkpoint_name=wrapped,
    bound_pictures=_bound_pictures,
)
