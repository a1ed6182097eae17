"""What a backbone is told beside token ids: positions and pictures. Shapes: B prompts, P prompt tokens, N rows."""

import inspect

import torch
from torch import Tensor

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch


def places(vlm: Vlm, batch: PromptBatch) -> tuple[dict[str, Tensor], Tensor]:
    """What tells the backbone where tokens are, and next_position_B; unknown families are given the tokens' types."""
    if vlm.family != "other":
        positions, next_position_B = prompt_positions(vlm, batch)
        return {"position_ids": positions}, next_position_B
    if hasattr(vlm.backbone, "rope_deltas"):
        vlm.backbone.rope_deltas = None  # Qwen's remember those of the last pictures, also where a prompt has none
    accepted = inspect.signature(vlm.backbone.forward).parameters
    names = [name for name in ("mm_token_type_ids", "token_type_ids") if name in accepted]
    return dict.fromkeys(names, batch.type_ids_BP), batch.mask_BP.sum(1)


def prompt_positions(vlm: Vlm, batch: PromptBatch) -> tuple[Tensor, Tensor]:
    """Rotary positions of the tokens, and the position that follows each row's last token.

    Qwen-VL counts an image's tokens by height and width (M-RoPE), so the next position isn't the number of tokens.
    """
    real_BP = (batch.mask_BP.cumsum(1) - 1).clamp(min=0)
    lengths_B = batch.mask_BP.sum(1)
    if not _has_mrope(vlm):
        return real_BP, lengths_B
    if "image_grid_thw" not in batch.features:
        return real_BP.expand(3, -1, -1), lengths_B
    positions, deltas_B1 = vlm.backbone.get_rope_index(
        batch.token_ids_BP,
        mm_token_type_ids=batch.type_ids_BP,
        image_grid_thw=batch.features["image_grid_thw"],
        attention_mask=batch.mask_BP,
    )
    return positions, lengths_B + deltas_B1.view(-1)


def response_positions(vlm: Vlm, next_position_N: Tensor, num_tokens: int) -> Tensor:
    """Rotary positions of response tokens that follow the prompt."""
    positions_NR = next_position_N[:, None] + torch.arange(num_tokens, device=next_position_N.device)
    return positions_NR.expand(3, -1, -1) if _has_mrope(vlm) else positions_NR


def image_inputs(vlm: Vlm, batch: PromptBatch) -> dict[str, Tensor]:
    """What the backbone wants of the pictures, pixels in the weights' precision."""
    features = dict(batch.features)
    if "pixel_values" in features:
        features["pixel_values"] = features["pixel_values"].to(next(vlm.model.parameters()).dtype)
    return features


def _has_mrope(vlm: Vlm) -> bool:
    return vlm.family in ("qwen2_5_vl", "qwen3_vl")
