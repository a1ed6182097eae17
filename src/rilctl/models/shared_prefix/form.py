"""Hidden states of responses, each picture and prompt computed once: which of the forms is used.

Shapes: N rows, R response tokens, H hidden, S = R + 1.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.checkpointing import is_recomputing, recomputing
from rilctl.models.shared_prefix.packed import packed_hidden
from rilctl.models.shared_prefix.prefix import Prefix, compute_prefix, group_hidden, last_hidden
from rilctl.models.shared_prefix.repeated import repeated_hidden
from rilctl.models.shared_prefix.sequence import answers_hidden, sequence_hidden

PACKED_TOKENS = 2560
"""On a GPU a group of at most so many tokens is one sequence. A short pass takes the time to launch its kernels, so one
is better than two (measured at 2,100 tokens); at 3,100 the attention that a mask throws away counts
(docs/performance.md)."""
Form = Callable[[Vlm, Sequence[EncodedPrompt], Tensor, Tensor, Tensor], Tensor]
"""From model, prompts, prompt_of_row_N, token_ids_NR and mask_NR to hidden states of N rows."""


def response_hidden(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    *,
    prefix: Prefix | None = None,
    start_of_row_N: Tensor | None = None,
) -> Tensor:
    """Hidden states hidden_NSH at the prompt's last token and at every response token; see `group_hidden`.

    A prompt with one response has nothing to share. Otherwise the prefix is shared, or the group is one
    sequence: where activations are computed again in backward, which throws a cache away, where no module may run
    twice, and where a GPU would wait for the second pass (`PACKED_TOKENS`). Unknown families share nothing.

    Args:
        vlm: the model.
        prompts: B prompts.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        mask_NR: True at real response tokens.
        prefix: the prompts, where they are computed already.
        start_of_row_N: where each response stands within its prompt, a whole conversation; None: they follow it.
    """
    form: Form = partial(_every_hidden, prefix=prefix)
    if start_of_row_N is not None:
        form = partial(_answers_hidden, start_of_row_N)
    return _beside_stand_in(form, vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)


def response_last_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    """hidden_NH at each response's last token, as `response_hidden` gives it."""
    return _beside_stand_in(_last_hidden, vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)


def _beside_stand_in(
    form: Form,
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
) -> Tensor:
    """What the form gives, and a row of the stand-in that adds zero to it, where `Vlm.stand_in` has to be there."""
    if not _needs_stand_in(vlm, prompts):
        return form(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    assert vlm.stand_in is not None
    rows_N = torch.cat([prompt_of_row_N, prompt_of_row_N.new_tensor([len(prompts)])])
    ids_NR, no_tokens_NR = (torch.cat([rows, rows.new_zeros((1, rows.shape[1]))]) for rows in (token_ids_NR, mask_NR))
    hidden = form(vlm, [*prompts, vlm.stand_in], rows_N, ids_NR, no_tokens_NR)
    return hidden[:-1] + 0 * hidden[-1:].sum()


def _needs_stand_in(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> bool:
    """Whether other ranks may run modules that these prompts don't ask for; see `Vlm.stand_in`."""
    if vlm.stand_in is None:
        return False
    return not prompts or (bool(vlm.stand_in.features) and not any(prompt.features for prompt in prompts))


def _every_hidden(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    prefix: Prefix | None = None,
) -> Tensor:
    if prefix is None and not vlm.family.shares_prompts:
        return repeated_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    if prefix is None and len(prompts) == len(token_ids_NR):
        with recomputing(vlm):
            return sequence_hidden(vlm, [prompts[i] for i in prompt_of_row_N.tolist()], token_ids_NR, mask_NR)
    if prefix is None and _is_one_sequence(vlm, prompts, prompt_of_row_N, token_ids_NR):
        with recomputing(vlm):
            return packed_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
    return group_hidden(vlm, prefix or compute_prefix(vlm, prompts), prompt_of_row_N, token_ids_NR, mask_NR)


def _answers_hidden(
    start_of_row_N: Tensor,
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
) -> Tensor:
    num_stand_ins = len(token_ids_NR) - len(start_of_row_N)
    starts_N = torch.nn.functional.pad(start_of_row_N, (0, num_stand_ins), value=1)
    with recomputing(vlm):
        return answers_hidden(vlm, prompts, prompt_of_row_N.to(vlm.device), starts_N, token_ids_NR.shape[1] + 1)


def _last_hidden(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor, mask_NR: Tensor
) -> Tensor:
    num_N = mask_NR.sum(1)
    is_whole = not vlm.family.shares_prompts or _is_one_sequence(vlm, prompts, prompt_of_row_N, token_ids_NR)
    if is_whole or not bool(num_N.all()):
        hidden_NSH = _every_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR)
        return hidden_NSH[torch.arange(len(num_N), device=num_N.device), num_N]
    prefix = compute_prefix(vlm, prompts)
    hidden_NH = last_hidden(vlm, prefix, prompt_of_row_N, token_ids_NR, mask_NR)
    if vlm.stand_in is None:
        return hidden_NH
    # ZeRO-2 adds the ranks' gradients up as they come. Without this the last layer's, of which a prompt gives keys and
    # values only, would come in another order than on a rank whose rows take another form.
    return hidden_NH + 0 * prefix.last_hidden_BH.sum()


def _is_one_sequence(vlm: Vlm, prompts: Sequence[EncodedPrompt], prompt_of_row_N: Tensor, token_ids_NR: Tensor) -> bool:
    """Whether rows are packed with their prompts, instead of going on from its cache."""
    if is_recomputing(vlm) or vlm.sharding.each_module_once:
        return True
    if vlm.device.type == "cpu":
        return False
    most_rows = int(prompt_of_row_N.bincount().max())
    longest = max(len(prompt.token_ids_P) for prompt in prompts)
    return longest + most_rows * token_ids_NR.shape[1] <= PACKED_TOKENS
