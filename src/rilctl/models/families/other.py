"""Families that we know nothing of: their own files name the processor, and the prompt is repeated for each row."""

from collections.abc import Mapping
from typing import Any

from rilctl.config.fields import PictureBounds
from rilctl.models.families.qwen_vl import bound_pixels, shrink_towers
from rilctl.models.families.record import Family


def _merged_patches(config: Any) -> int:
    """By the names that configurations have for it."""
    merge = getattr(getattr(config, "vision_config", None), "spatial_merge_size", None)
    if merge is None:
        merge = round(1 / getattr(config, "downsample_ratio", 1.0))
    return int(merge) ** 2


def _bound_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    """Many take over the image processor of Qwen2-VL."""
    if not str(pixels.get("image_processor_type")).startswith("Qwen2VLImageProcessor"):
        raise ValueError("nothing is known of how its processor sizes pictures")
    return bound_pixels(pixels, own, bounds)


def _shrink(config: dict[str, Any]) -> None:
    shrink_towers(config, fullatt_block_indexes=[1], deepstack_visual_indexes=[0])
    vision = config.get("vision_config") or {}
    if "embed_dim" in vision:  # Qwen2-VL calls its own width that, and the language model's `hidden_size`
        vision |= {"embed_dim": 64, "hidden_size": config["text_config"]["hidden_size"]}


FAMILY = Family(
    name="other",
    model_types=(),
    shares_prompts=False,
    plain_language_models=("qwen2", "qwen3", "llama", "qwen2_5_vl_text", "qwen3_vl_text"),
    patches_per_token=_merged_patches,
    bound_pictures=_bound_pictures,
    shrink=_shrink,
)
