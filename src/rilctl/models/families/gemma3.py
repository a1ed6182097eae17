"""Gemma 3 with its vision tower. Tokens of one picture see one another, and most layers see a window of tokens.

Its text models are of the family `text`. Shapes: L tokens of a packed group, B groups.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import PLACEHOLDERS, Family, fixed_size
from rilctl.models.families.wrapped_tower import wrapped


def _sees_more(sees_BLL: Tensor, types_BL: Tensor) -> Tensor:
    """As in the library's `create_masks_for_vision_model`; a picture stands in a prompt, whose tokens lie together."""
    is_image_BL = types_BL == 1
    starts_BL = is_image_BL.clone()
    starts_BL[:, 1:] &= ~is_image_BL[:, :-1]
    picture_BL = starts_BL.cumsum(1)
    same_BLL = picture_BL[:, :, None] == picture_BL[:, None, :]
    return sees_BLL | (same_BLL & is_image_BL[:, :, None] & is_image_BL[:, None, :])


def _around_picture(processor: Any) -> str:
    """Marks and line ends around one image token; tokenizers join line ends with those of the text."""
    tokenizer = processor.tokenizer
    return f"\n\n{tokenizer.boi_token}{tokenizer.image_token}{tokenizer.eoi_token}\n\n"


def _pooled_patches(config: Any) -> int:
    """Patches that become one token, on average over a picture's."""
    vision = config.vision_config
    return int((vision.image_size // vision.patch_size) ** 2 // config.mm_tokens_per_image)


def _sent_sizes(processor: Any, features: Mapping[str, Tensor]) -> list[tuple[int, int] | None]:
    """All pictures have one size."""
    size = processor.image_processor.size
    return [(size["width"], size["height"])] * len(features["pixel_values"])


def _bound_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    """The processor never pans over a picture, whatever its files say, unless it is asked to in the call."""
    return fixed_size(int(own.get("image_seq_length", 256)), bounds)


def _shrink(config: dict[str, Any]) -> None:
    """One layer of each kind."""
    config["text_config"]["layer_types"] = ["sliding_attention", "full_attention"]


FAMILY = Family(
    name="gemma3",
    model_types=("gemma3",),
    processor="Gemma3Processor",
    template_begins=True,
    end_token="<end_of_turn>",
    placeholders=(*PLACEHOLDERS, "boi_token_index", "eoi_token_index"),
    picture_text=_around_picture,
    types_argument="token_type_ids",
    needs_types=True,
    sees_more=_sees_more,
    plain_language_models=(),
    checkpoint_name=wrapped,
    patches_per_token=_pooled_patches,
    sent_sizes=_sent_sizes,
    bound_pictures=_bound_pictures,
    shrink=_shrink,
)
