"""What Qwen's families with a vision tower have in common.

Shapes: B prompts, P prompt tokens, N rows, R response tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import InOrder

_MIN_PX, _MAX_PX = 56 * 56, 28 * 28 * 1280
"""The library's own, where the files name none."""


@dataclass(frozen=True)
class MRope(InOrder):
    """An image's tokens are counted by height and width (M-RoPE): the next position isn't the number of tokens.

    Positions have a first dimension of three: time, height and width.
    """

    def of_prompts(
        self, backbone: Any, ids_BP: Tensor, mask_BP: Tensor, types_BP: Tensor, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """See `Positions`."""
        in_order_BP, lengths_B = super().of_prompts(backbone, ids_BP, mask_BP, types_BP, features)
        if "image_grid_thw" not in features:
            return in_order_BP.expand(3, -1, -1), lengths_B
        positions_3BP, deltas_B1 = backbone.get_rope_index(
            ids_BP,
            mm_token_type_ids=types_BP,
            image_grid_thw=features["image_grid_thw"],
            attention_mask=mask_BP,
        )
        return positions_3BP, lengths_B + deltas_B1.view(-1)

    def of_responses(self, next_position_N: Tensor, num_tokens: int) -> Tensor:
        """See `Positions`."""
        return super().of_responses(next_position_N, num_tokens).expand(3, -1, -1)


def merged_patches(config: Any) -> int:
    """Patches that become one token: a square of `spatial_merge_size`."""
    return int(config.vision_config.spatial_merge_size) ** 2


def sizes_of_grids(processor: Any, features: Mapping[str, Tensor]) -> list[tuple[int, int] | None]:
    """Width and height of each picture's patches together; None where that size would be changed again."""
    pixels = processor.image_processor
    sizes: list[tuple[int, int] | None] = []
    for _, rows, columns in features["image_grid_thw"].tolist():
        height, width = rows * pixels.patch_size, columns * pixels.patch_size
        is_final = pixels.get_number_of_image_patches(height, width, {}) == rows * columns
        sizes.append((width, height) if is_final else None)
    return sizes


def bound_pixels(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    """Bounds are in pixels, a token's being a square of merged patches; see `Family.bound_pictures`.

    It is the library's rule that keeps them: of a picture a hundred times wider than high, one row of tokens remains.
    """
    token_px = (int(pixels.get("patch_size", 14)) * int(pixels.get("merge_size", 2))) ** 2
    size = pixels.get("size") or {}
    low = pixels.get("min_pixels") or size.get("shortest_edge") or _MIN_PX
    high = pixels.get("max_pixels") or size.get("longest_edge") or _MAX_PX
    low = low if bounds.min_tokens is None else bounds.min_tokens * token_px
    high = high if bounds.max_tokens is None else bounds.max_tokens * token_px
    if low > high:
        low, high = low // token_px, high // token_px
        raise ValueError(f"its smallest picture would take {low:,} tokens, its largest {high:,}; set both bounds")
    older = {name: value for name, value in (("min_pixels", low), ("max_pixels", high)) if name in pixels}
    return {"size": {"shortest_edge": low, "longest_edge": high}, **older}


def shrink_towers(config: dict[str, Any], **places: list[int]) -> None:
    """For a configuration that was made small: M-RoPE's sections fit the heads, layers of the vision tower are there.

    Args:
        config: of the whole model; changed in place.
        places: by the name of a list of layers' indexes, what stands there instead, where a tower has such a list.
    """
    text = config.get("text_config") or config
    rope = text.get("rope_parameters") or {}
    if "mrope_section" in rope:
        half = text["hidden_size"] // text["num_attention_heads"] // 2
        side = 3 * half // 8  # as 16, 24, 24 of the large models' 64
        rope["mrope_section"] = [half - 2 * side, side, side]
    vision = config.get("vision_config") or {}
    vision |= {name: own for name, own in places.items() if vision.get(name)}
