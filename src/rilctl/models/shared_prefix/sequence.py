"""Hidden states of prompt and response as one sequence for each row.

Cheaper than sharing where a prompt has one response (`sft`), and what the shared forms are tested against.

Shapes: B prompts, N rows, R response tokens, S = R + 1, T tokens of a sequence, H hidden.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import PromptBatch, join_features, pad_token_id
from rilctl.models.shared_prefix.inputs import image_inputs, places


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
