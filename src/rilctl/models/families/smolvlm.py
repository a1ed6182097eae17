"""SmolVLM and SmolVLM2, and Idefics3, whose architecture they have.

The library's processor of SmolVLM2 wants a video processor and `num2words`, both for videos. Of pictures it makes what
that of Idefics3 does, which wants neither.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import Family


def _features(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """A picture's tiles first: the library's dimensions are prompts, of which there is one, and tiles."""
    return {name: tensor.transpose(0, 1) for name, tensor in features.items()}


def _shuffled_patches(config: Any) -> int:
    """Patches that become one token: a square of `scale_factor`."""
    return int(config.scale_factor) ** 2


def _bound_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    """A picture's longest edge becomes `size`, is cut into tiles, and one more shows it whole.

    Since small pictures are made as large, more tiles than the files allow are never asked for.
    """
    tile, edge_px = int(own.get("image_seq_len", 169)), _edge_px(pixels, "max_image_size", 364)
    splits = pixels.get("do_image_splitting", True)
    side = -(-_edge_px(pixels, "size", 4 * 364) // edge_px) if splits else 1
    most = _tokens(tile, side * side) if bounds.max_tokens is None else bounds.max_tokens
    fitting = [each for each in range(1, side + 1) if _tokens(tile, each * each) <= most]
    if not fitting:
        raise ValueError(f"a picture takes a tile's {tile:,} tokens or more")
    if _tokens(tile, fitting[-1]) < (bounds.min_tokens or 0):
        raise ValueError(f"its narrowest pictures take {_tokens(tile, fitting[-1]):,} tokens")
    return {"size": {"longest_edge": fitting[-1] * edge_px}} if fitting[-1] < side else {}


def _edge_px(pixels: Mapping[str, Any], name: str, default: int) -> int:
    return int((pixels.get(name) or {}).get("longest_edge", default))


def _tokens(tile: int, num_tiles: int) -> int:
    return tile * (num_tiles + 1 if num_tiles > 1 else 1)


FAMILY = Family(
    name="smolvlm",
    model_types=("smolvlm", "idefics3"),
    processor="Idefics3Processor",
    template_begins=True,
    end_token="<end_of_utterance>",
    features=_features,
    patches_per_token=_shuffled_patches,
    bound_pictures=_bound_pictures,
)
