"""InternVL, in the library's own form (`-hf` checkpoints)."""

from typing import Any

from rilctl.models.families.record import Family


def _merged_patches(config: Any) -> int:
    """Patches that become one token: a square, shuffled by `downsample_ratio`."""
    return int(round(1 / config.downsample_ratio) ** 2)


FAMILY = Family(
    name="internvl",
    model_types=("internvl",),
    processor="InternVLProcessor",
    patches_per_token=_merged_patches,
    pocket="pocket-teacher-internvl",
)
