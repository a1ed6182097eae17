"""Hidden states of responses, each picture and prompt computed once: which of the forms is used.

Shapes: N rows, R response tokens, H hidden, S = R + 1.
"""

from collections.abc import Sequence

from torch import Tensor

from rilctl.models.checkpointing import is_recomputing, recomputing
from rilctl.models.forward import group_hidden, sequence_hidden
from rilctl.models.packed import packed_hidden
from rilctl.models.prompts import EncodedPrompt
from rilctl.models.repeated import repeated_hidden
from rilctl.models.vlm import Vlm


def response_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """Hidden states hidden_NSH at the prompt's last token and at every response token; see `group_hidden`.

    A prompt with one response has nothing to share. Otherwise the prompt's cache is shared, or, where activations are
    computed again in backward, which throws a cache away, the group is one sequence. Unknown families share nothing.
    """
    if vlm.family == "other":
        return repeated_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    if len(prompts) == len(token_ids_NR):
        with recomputing(vlm):
            return sequence_hidden(vlm, [prompts[i] for i in prompt_of_row_N.tolist()], token_ids_NR, mask_NR)
    if is_recomputing(vlm):
        with recomputing(vlm):
            return packed_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    return group_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
