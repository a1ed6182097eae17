"""Hidden states of responses, each picture and prompt computed once: which of the forms is used.

Shapes: N rows, R response tokens, H hidden, S = R + 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.models.checkpointing import is_recomputing, recomputing
from rilctl.models.forward import group_hidden, sequence_hidden
from rilctl.models.packed import packed_hidden
from rilctl.models.processor import EncodedPrompt
from rilctl.models.repeated import repeated_hidden
from rilctl.models.vlm import Vlm


def response_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """Hidden states hidden_NSH at the prompt's last token and at every response token; see `group_hidden`.

    A prompt with one response has nothing to share. Otherwise the prompt's cache is shared, or, where activations are
    computed again in backward, which throws a cache away, or no module may run twice, the group is one sequence.
    Unknown families share nothing.
    """
    if not _needs_stand_in(vlm, prompts):
        return _response_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    assert vlm.stand_in is not None
    rows_N = torch.cat([prompt_of_row_N, prompt_of_row_N.new_tensor([len(prompts)])])
    ids_NR, no_tokens_NR = (torch.cat([rows, rows.new_zeros((1, rows.shape[1]))]) for rows in (token_ids_NR, mask_NR))
    hidden_NSH = _response_hidden(vlm, [*prompts, vlm.stand_in], rows_N, ids_NR, no_tokens_NR)
    return hidden_NSH[:-1] + 0 * hidden_NSH[-1:].sum()


def _needs_stand_in(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> bool:
    """Whether other ranks may run modules that these prompts don't ask for; see `Vlm.stand_in`."""
    if vlm.stand_in is None:
        return False
    return not prompts or (bool(vlm.stand_in.features) and not any(prompt.features for prompt in prompts))


def _response_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    if vlm.family == "other":
        return repeated_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    if len(prompts) == len(token_ids_NR):
        with recomputing(vlm):
            return sequence_hidden(vlm, [prompts[i] for i in prompt_of_row_N.tolist()], token_ids_NR, mask_NR)
    if is_recomputing(vlm) or vlm.sharding.each_module_once:
        with recomputing(vlm):
            return packed_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    return group_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
