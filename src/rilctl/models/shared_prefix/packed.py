"""The shared prompt without a cache: a group is one sequence, and a mask keeps its responses apart.

Each module runs once, on everything, so activations can be computed again in backward (gradient checkpointing), which
throws a key/value cache away. `group_hidden` costs less memory traffic and is the form for everything else.

Shapes: B prompts with their groups, L tokens of the longest packed group, N rows, R response tokens, H hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.models.families.layers import seen_by_layers
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch, collate_prompts, pad_token_id
from rilctl.models.shared_prefix.inputs import image_inputs, prompt_positions

PROMPT, PADDING = 0, -1
"""Segments of a packed sequence; a group's rows are 1, 2, ..."""


@dataclass(frozen=True)
class Packed:
    """Groups as sequences: `prompt, row, row, ..., padding`.

    Args:
        batch: the sequences with their pictures, padded on the right.
        positions: rotary positions; each row goes on where the prompt ends.
        segment_BL: what each token belongs to.
        index_NS: where the hidden state of a row's column stands in its sequence, S = R + 1.
        sequence_of_row_N: which sequence a row is in.
    """

    batch: PromptBatch
    positions: Tensor
    segment_BL: Tensor
    index_NS: Tensor
    sequence_of_row_N: Tensor


def packed_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """The same hidden states as `group_hidden`, also under gradient checkpointing."""
    packed = pack(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    out = vlm.backbone(
        input_ids=packed.batch.token_ids_BP,
        attention_mask=_attention_mask(vlm, packed),
        position_ids=packed.positions,
        use_cache=False,
        **image_inputs(vlm, packed.batch),
    )
    hidden_NLH: Tensor = out.last_hidden_state[packed.sequence_of_row_N]
    return hidden_NLH.gather(1, packed.index_NS[..., None].expand(-1, -1, hidden_NLH.shape[-1]))


def pack(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Packed:
    """Lay the groups out."""
    prompt_batch = collate_prompts(vlm, prompts)
    prompt_positions_BP, next_position_B = prompt_positions(vlm, prompt_batch)
    rest_NR = vlm.family.positions.of_responses(next_position_B[prompt_of_row_N], token_ids_NR.shape[1])
    ids, types, segments, positions = ([list[Tensor]() for _ in prompts] for _ in range(4))
    index_NS = torch.empty((len(token_ids_NR), token_ids_NR.shape[1] + 1), dtype=torch.long, device=vlm.device)
    columns_R = torch.arange(token_ids_NR.shape[1], device=vlm.device)
    for b, prompt in enumerate(prompts):
        real_P = slice(prompt_batch.mask_BP.shape[1] - len(prompt.token_ids_P), None)  # padded on the left
        ids[b].append(prompt_batch.token_ids_BP[b, real_P])
        types[b].append(prompt_batch.type_ids_BP[b, real_P])
        segments[b].append(torch.full_like(ids[b][0], PROMPT))
        positions[b].append(prompt_positions_BP[..., b, real_P])
    for row, (b, num) in enumerate(torch.stack([prompt_of_row_N, mask_NR.sum(1)], 1).tolist()):
        real_R = slice(num)
        num_before = sum(map(len, ids[b]))
        index_NS[row, 0] = len(ids[b][0]) - 1
        index_NS[row, 1:] = num_before + columns_R.clamp(max=max(0, num - 1))
        segments[b].append(torch.full_like(token_ids_NR[row, real_R], len(ids[b])))
        ids[b].append(token_ids_NR[row, real_R])
        types[b].append(torch.zeros_like(ids[b][-1]))
        positions[b].append(rest_NR[..., row, real_R])
    length = max(sum(map(len, parts)) for parts in ids)

    def padded(parts: list[list[Tensor]], fill: int) -> list[Tensor]:
        joined = [torch.cat(own, -1) for own in parts]
        return [torch.nn.functional.pad(own, (0, length - own.shape[-1]), value=fill) for own in joined]

    segment_BL = torch.stack(padded(segments, PADDING))
    return Packed(
        PromptBatch(
            torch.stack(padded(ids, pad_token_id(vlm))),
            (segment_BL != PADDING).long(),
            torch.stack(padded(types, 0)),
            prompt_batch.features,
        ),
        torch.stack(padded(positions, 0), -2),
        segment_BL,
        index_NS.clamp(max=length - 1),
        prompt_of_row_N,
    )


def sees(segment_BL: Tensor) -> Tensor:
    """Which tokens see which, sees_BLL: the prompt, and a token's own row up to itself."""
    earlier_LL = torch.ones(segment_BL.shape[1:] * 2, dtype=torch.bool, device=segment_BL.device).tril()
    query_BL1, key_B1L = segment_BL[:, :, None], segment_BL[:, None, :]
    return earlier_LL & ((key_B1L == PROMPT) | (key_B1L == query_BL1))  # padding sees padding: no row is empty


def places_in_text(segment_BL: Tensor) -> Tensor:
    """The number of tokens before each in its own text, place_BL: a row's first follows the prompt's last."""
    index_L = torch.arange(segment_BL.shape[1], device=segment_BL.device)
    begins_BL = torch.ones_like(segment_BL, dtype=torch.bool)
    begins_BL[:, 1:] = segment_BL[:, 1:] != segment_BL[:, :-1]
    first_BL = (index_L * begins_BL).cummax(1).values
    num_prompt_B1 = (segment_BL == PROMPT).sum(1, keepdim=True)
    return index_L - first_BL + num_prompt_B1 * (segment_BL != PROMPT)


def _attention_mask(vlm: Vlm, packed: Packed) -> Tensor | dict[str, Tensor]:
    """What is added to the attention's scores; for each kind of layer, where there are several."""
    segment_BL, dtype = packed.segment_BL, next(vlm.model.parameters()).dtype
    sees_BLL = sees(segment_BL)
    if vlm.family.sees_more is not None:
        sees_BLL = vlm.family.sees_more(sees_BLL, packed.batch.type_ids_BP)
    seen = seen_by_layers(sees_BLL, places_in_text(segment_BL), vlm.model.config.get_text_config())
    masks = {kind: _added(each_BLL, dtype) for kind, each_BLL in seen.items()}
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _added(sees_BLL: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a token is seen, mask_B1LL."""
    mask_BLL = torch.zeros(sees_BLL.shape, dtype=dtype, device=sees_BLL.device)
    return mask_BLL.masked_fill(~sees_BLL, torch.finfo(dtype).min)[:, None]
