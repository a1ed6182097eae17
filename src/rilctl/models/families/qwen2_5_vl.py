"""Qwen2.5-VL."""

from functools import partial

from rilctl.models.families.qwen_vl import MRope, bound_pixels, merged_patches, shrink_towers, sizes_of_grids
from rilctl.models.families.record import Family

FAMILY = Family(
    name="qwen2_5_vl",
    model_types=("qwen2_5_vl",),
    processor="Qwen2_5_VLProcessor",
    positions=MRope(),
    types_argument="mm_token_type_ids",
    plain_language_models=("qwen2_5_vl_text",),
    patches_per_token=merged_patches,
    has_gated_vision=True,
    sent_sizes=sizes_of_grids,
    bound_pictures=bound_pixels,
    shrink=partial(shrink_towers, fullatt_block_indexes=[1]),
    pocket="pocket-teacher-qwen",
)
