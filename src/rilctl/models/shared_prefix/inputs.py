"""What a backbone is told beside token ids: positions and pictures. Shapes: B prompts, P prompt tokens."""

import inspect

from torch import Tensor

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch


def places(vlm: Vlm, batch: PromptBatch) -> tuple[dict[str, Tensor], Tensor]:
    """What tells the backbone where tokens are, and next_position_B; unknown families are given the tokens' types."""
    family = vlm.family
    if family.shares_prompts:
        positions, next_position_B = prompt_positions(vlm, batch)
        types = {family.types_argument: batch.type_ids_BP} if family.types_argument and family.needs_types else {}
        return {"position_ids": positions, **types}, next_position_B
    if hasattr(vlm.backbone, "rope_deltas"):
        vlm.backbone.rope_deltas = None  # Qwen's remember those of the last pictures, also where a prompt has none
    accepted = inspect.signature(vlm.backbone.forward).parameters
    names = [name for name in ("mm_token_type_ids", "token_type_ids") if name in accepted]
    return dict.fromkeys(names, batch.type_ids_BP), batch.mask_BP.sum(1)


def prompt_positions(vlm: Vlm, batch: PromptBatch) -> tuple[Tensor, Tensor]:
    """Rotary positions of the tokens, and the position that follows each row's last token."""
    tensors = (batch.token_ids_BP, batch.mask_BP, batch.type_ids_BP)
    return vlm.family.positions.of_prompts(vlm.backbone, *tensors, batch.features)


def image_inputs(vlm: Vlm, batch: PromptBatch) -> dict[str, Tensor]:
    """What the backbone wants of the pictures, pixels in the weights' precision."""
    features = dict(batch.features)
    if "pixel_values" in features:
        features["pixel_values"] = features["pixel_values"].to(next(vlm.model.parameters()).dtype)
    return features
