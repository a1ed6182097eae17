"""Hidden states of responses, with the images and the prompt computed once for all responses of a group.

Shapes: B prompts, P prompt tokens, N rows, R response tokens, H hidden.

Every row of a group shares its images and question. `group_hidden` runs the vision tower and the prompt once per
prompt, hands the key/value cache (with its gradients) to the group's rows, and runs only the responses.
`sequence_hidden` runs prompt and response as one sequence per row: cheaper where a prompt has one response (`sft`),
and the reference that the shared form is tested against.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Cache

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch, join_features, pad_token_id
from rilctl.models.shared_prefix.attention import PromptLayer, SharedPrompt, can_learn_shared, shared_attention
from rilctl.models.shared_prefix.inputs import image_inputs, places
from rilctl.models.shared_prefix.last_layer import last_layer_at
from rilctl.models.shared_prefix.prefix import Prefix, expanded
from rilctl.private.transformers import with_cache


def group_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """Hidden states at the prompt's last token and at every response token.

    Args:
        vlm: the model.
        prefix: B prompts.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        mask_NR: True at real response tokens.

    Returns:
        hidden_NSH with S = R + 1: column 0 predicts the first response token, column t the one after token t.
    """
    first_N1H = prefix.last_hidden_BH[:, None].index_select(0, prompt_of_row_N)
    if token_ids_NR.shape[1] == 0:
        return first_N1H
    return torch.cat([first_N1H, _rows_hidden(vlm, prefix, prompt_of_row_N, token_ids_NR, mask_NR)], 1)


def last_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """hidden_NH at each row's last real token; every row has one."""
    last_N = mask_NR.sum(1) - 1
    with last_layer_at(vlm, last_N):
        hidden_NRH = _rows_hidden(vlm, prefix, prompt_of_row_N, token_ids_NR, mask_NR)
    hidden_NH: Tensor = hidden_NRH[torch.arange(len(last_N), device=last_N.device), last_N]
    return hidden_NH


def sequence_hidden(vlm: Vlm, prompts: Sequence[EncodedPrompt], token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """The same hidden states as `group_hidden`, one prompt for each row, prompt and response in one sequence."""
    hidden_NTH = _sequences_hidden(vlm, prompts, token_ids_NR, mask_NR)
    lengths_N = torch.tensor([len(prompt.token_ids_P) for prompt in prompts], device=vlm.device)
    columns_S = torch.arange(token_ids_NR.shape[1] + 1, device=vlm.device)
    index_NS = (lengths_N[:, None] - 1 + columns_S).clamp(max=hidden_NTH.shape[1] - 1)
    return hidden_NTH.gather(1, index_NS[..., None].expand(-1, -1, hidden_NTH.shape[-1]))


def answers_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, start_of_row_N: Tensor, num_columns: int
) -> Tensor:
    """Hidden states of answers that stand in their prompts: those at the token before each, and at its own.

    Args:
        vlm: the model.
        prompts: B whole conversations, answers included.
        prompt_of_row_N: index of each answer's conversation.
        start_of_row_N: where its first token stands there; positive.
        num_columns: S, of the longest answer.

    Returns:
        hidden_NSH; what is beyond an answer's end is to be left alone.
    """
    none_B0 = torch.zeros((len(prompts), 0), dtype=torch.long, device=vlm.device)
    hidden_BTH = _sequences_hidden(vlm, prompts, none_B0, none_B0.bool())
    columns_S = torch.arange(num_columns, device=vlm.device)
    index_NS = (start_of_row_N[:, None] - 1 + columns_S).clamp(max=hidden_BTH.shape[1] - 1)
    return hidden_BTH[prompt_of_row_N[:, None], index_NS]


def _sequences_hidden(vlm: Vlm, prompts: Sequence[EncodedPrompt], token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """hidden_NTH of every token, padded on the right."""
    lengths = [len(prompt.token_ids_P) for prompt in prompts]
    ends = [length + num for length, num in zip(lengths, mask_NR.sum(1).tolist(), strict=True)]
    total = max(ends)
    num_rows, device = len(prompts), vlm.device
    ids = torch.full((num_rows, total), pad_token_id(vlm), device=device)
    mask = torch.zeros((num_rows, total), dtype=torch.long, device=device)
    type_ids = torch.zeros((num_rows, total), dtype=torch.long, device=device)
    for row, (prompt, length, end) in enumerate(zip(prompts, lengths, ends, strict=True)):
        ids[row, :length] = prompt.token_ids_P.to(device)
        ids[row, length:end] = token_ids_NR[row, : end - length]
        type_ids[row, :length] = prompt.type_ids_P.to(device)
        mask[row, :end] = 1
    batch = PromptBatch(ids, mask, type_ids, join_features(vlm, prompts))
    out = vlm.backbone(
        input_ids=ids, attention_mask=mask, use_cache=False, **places(vlm, batch)[0], **image_inputs(vlm, batch)
    )
    hidden_NTH: Tensor = out.last_hidden_state
    return hidden_NTH


def _rows_hidden(vlm: Vlm, prefix: Prefix, prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor) -> Tensor:
    """hidden_NRH at every response token."""
    batch, cache = prefix.batch, prefix.cache
    if cache is None or cache.get_seq_length() != batch.token_ids_BP.shape[1]:
        raise RuntimeError(
            "the prefix's keys and values are gone, as under gradient checkpointing: use `response_hidden`"
        )
    next_position_N = prefix.next_position_B.index_select(0, prompt_of_row_N)
    positions = vlm.family.positions.of_responses(next_position_N, token_ids_NR.shape[1])
    inputs = {"input_ids": token_ids_NR, "position_ids": positions, "use_cache": True}
    if can_learn_shared(vlm, cache):
        layers = [PromptLayer(layer.keys, layer.values) for layer in cache.layers]
        options = {"shared_prompt": SharedPrompt(batch.mask_BP, prompt_of_row_N), "prompt_layers": layers}
        with shared_attention(vlm):
            rest = vlm.backbone(**with_cache(vlm.backbone, Cache(layers=list(layers))), **inputs, **options)
    else:
        mask_NS = torch.cat([batch.mask_BP.index_select(0, prompt_of_row_N), mask_NR.long()], 1)
        copies = with_cache(vlm.backbone, expanded(cache, prompt_of_row_N))
        rest = vlm.backbone(**copies, attention_mask=mask_NS, **inputs)
    hidden_NRH: Tensor = rest.last_hidden_state
    return hidden_NRH
