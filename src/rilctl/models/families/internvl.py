"""InternVL, in the library's own form (`-hf` checkpoints)."""

from collections.abc import Mapping
from typing import Any

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import Family


def _merged_patches(config: Any) -> int:
    """Patches that become one token: a square, shuffled by `downsample_ratio`."""
    return int(round(1 / config.downsample_ratio) ** 2)


def _bound_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    """A picture is one tile, or several and one that shows it whole."""
    tile = int(own.get("image_seq_length", 256))
    fewest, most = int(pixels.get("min_patches", 1)), int(pixels.get("max_patches", 12))
    if bounds.max_tokens is not None:
        most = max(bounds.max_tokens // tile - 1, min(1, bounds.max_tokens // tile))
    if bounds.min_tokens is not None:
        wanted = -(-bounds.min_tokens // tile)
        fewest = 1 if wanted <= 1 else max(2, wanted - 1)
    if not fewest <= most:
        raise ValueError(f"a picture takes {tile:,} tokens, or {3 * tile:,}, or {tile:,} more for each further tile")
    return {"min_patches": fewest, "max_patches": most}


FAMILY = Family(
    name="internvl",
    model_types=("internvl",),
    processor="InternVLProcessor",
    patches_per_token=_merged_patches,
    bound_pictures=_bound_pictures,
    pocket="pocket-teacher-internvl",
)
