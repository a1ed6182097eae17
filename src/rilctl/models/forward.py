"""Hidden states of responses, with the images and the prompt computed once for all responses of a group.

Shapes: B prompts, P prompt tokens, N rows, R response tokens, H hidden.

Every row of a group shares its images and question. `group_hidden` runs the vision tower and the prompt once per
prompt, hands the key/value cache (with its gradients) to the group's rows, and runs only the responses.
`sequence_hidden` runs prompt and response as one sequence per row: cheaper where a prompt has one response (`sft`),
and the reference that the shared form is tested against.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from rilctl.models.processor import EncodedPrompt
from rilctl.models.prompts import PromptBatch, collate_prompts, join_features, pad_token_id
from rilctl.models.shared_prompt import PromptLayer, SharedPrompt, can_share, shared_attention
from rilctl.models.vlm import Vlm


def group_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """Hidden states at the prompt's last token and at every response token.

    Args:
        vlm: the model.
        prompts: B prompts.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        mask_NR: True at real response tokens.

    Returns:
        hidden_NSH with S = R + 1: column 0 predicts the first response token, column t the one after token t.
    """
    batch = collate_prompts(vlm, prompts)
    prefix, next_position_B = prefill(vlm, batch)
    if prefix.past_key_values is None or prefix.past_key_values.get_seq_length() != batch.token_ids_BP.shape[1]:
        raise RuntimeError("the prompt's cache is gone, as under gradient checkpointing: use `response_hidden`")
    first_N1H: Tensor = prefix.last_hidden_state[:, -1:].index_select(0, prompt_of_row_N)
    if token_ids_NR.shape[1] == 0:
        return first_N1H
    positions = response_positions(vlm, next_position_B.index_select(0, prompt_of_row_N), token_ids_NR.shape[1])
    inputs = {"input_ids": token_ids_NR, "position_ids": positions, "use_cache": True}
    cache = prefix.past_key_values
    if vlm.device.type == "cpu" and can_share(vlm, cache):
        layers = [PromptLayer(layer.keys, layer.values) for layer in cache.layers]
        options = {"shared_prompt": SharedPrompt(batch.mask_BP, prompt_of_row_N), "prompt_layers": layers}
        with shared_attention(vlm):
            rest = vlm.backbone(past_key_values=Cache(layers=list(layers)), **inputs, **options)
    else:
        expand_cache(cache, prompt_of_row_N)
        mask_NS = torch.cat([batch.mask_BP.index_select(0, prompt_of_row_N), mask_NR.long()], 1)
        rest = vlm.backbone(past_key_values=cache, attention_mask=mask_NS, **inputs)
    return torch.cat([first_N1H, rest.last_hidden_state], 1)


def sequence_hidden(vlm: Vlm, prompts: Sequence[EncodedPrompt], token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """The same hidden states as `group_hidden`, one prompt for each row, prompt and response in one sequence."""
    num_response_N = mask_NR.sum(1)
    lengths = [len(prompt.token_ids_P) for prompt in prompts]
    total = max(length + int(num) for length, num in zip(lengths, num_response_N, strict=True))
    num_rows, device = len(prompts), vlm.device
    ids = torch.full((num_rows, total), pad_token_id(vlm), device=device)
    mask = torch.zeros((num_rows, total), dtype=torch.long, device=device)
    type_ids = torch.zeros((num_rows, total), dtype=torch.long, device=device)
    for row, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
        end = length + int(num_response_N[row])
        ids[row, :length] = prompt.token_ids_P.to(device)
        ids[row, length:end] = token_ids_NR[row, : end - length]
        type_ids[row, :length] = prompt.type_ids_P.to(device)
        mask[row, :end] = 1
    batch = PromptBatch(ids, mask, type_ids, join_features(vlm, prompts))
    out = vlm.backbone(
        input_ids=ids, attention_mask=mask, use_cache=False, **_places(vlm, batch)[0], **image_inputs(vlm, batch)
    )
    columns = torch.arange(token_ids_NR.shape[1] + 1, device=device)
    index_NS = (torch.tensor(lengths, device=device)[:, None] - 1 + columns).clamp(max=total - 1)
    hidden: Tensor = out.last_hidden_state
    return hidden.gather(1, index_NS[..., None].expand(-1, -1, hidden.shape[-1]))


def prefill(vlm: Vlm, batch: PromptBatch) -> tuple[Any, Tensor]:
    """Run the prompts once: (backbone output with its cache, next_position_B)."""
    places, next_position_B = _places(vlm, batch)
    out = vlm.backbone(
        input_ids=batch.token_ids_BP,
        attention_mask=batch.mask_BP,
        use_cache=True,
        **places,
        **image_inputs(vlm, batch),
    )
    return out, next_position_B


def _places(vlm: Vlm, batch: PromptBatch) -> tuple[dict[str, Tensor], Tensor]:
    """What tells the backbone where tokens are, and next_position_B; unknown families are given the tokens' types."""
    if vlm.family != "other":
        positions, next_position_B = prompt_positions(vlm, batch)
        return {"position_ids": positions}, next_position_B
    if hasattr(vlm.backbone, "rope_deltas"):
        vlm.backbone.rope_deltas = None  # Qwen's remember those of the last pictures, also where a prompt has none
    accepted = inspect.signature(vlm.backbone.forward).parameters
    names = [name for name in ("mm_token_type_ids", "token_type_ids") if name in accepted]
    return dict.fromkeys(names, batch.type_ids_BP), batch.mask_BP.sum(1)


def expand_cache(cache: Any, rows: Tensor) -> None:
    """Replace each layer's cache by the rows asked for, in place; gradients flow to the prompts."""
    for layer in cache.layers:
        layer.keys = layer.keys.index_select(0, rows)
        layer.values = layer.values.index_select(0, rows)


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


def _has_mrope(vlm: Vlm) -> bool:
    return vlm.family in ("qwen2_5_vl", "qwen3_vl")


def image_inputs(vlm: Vlm, batch: PromptBatch) -> dict[str, Tensor]:
    """What the backbone wants of the pictures, pixels in the weights' precision."""
    features = dict(batch.features)
    if "pixel_values" in features:
        features["pixel_values"] = features["pixel_values"].to(next(vlm.model.parameters()).dtype)
    return features
