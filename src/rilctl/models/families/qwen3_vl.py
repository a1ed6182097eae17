"""Qwen3-VL, whose vision tower also feeds the language model's first layers (deepstack)."""

from functools import partial

from rilctl.models.families.qwen_vl import MRope, bound_pixels, merged_patches, shrink_towers, sizes_of_grids
from rilctl.models.families.record import Family

FAMILY = Family(
    name="qwen3_vl",
    model_types=("qwen3_vl",),
    processor="Qwen3VLProcessor",
    positions=MRope(),
    types_argument="mm_token_type_ids",
    plain_language_models=("qwen3_vl_text",),
    patches_per_token=merged_patches,
    sent_sizes=sizes_of_grids,
    bound_pictures=bound_pixels,
    shrink=partial(shrink_towers, deepstack_visual_indexes=[0]),
)
