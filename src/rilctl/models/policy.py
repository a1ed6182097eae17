"""The policy that is trained: temperature and bans over the model's logits. Shapes: N rows, R tokens, T real tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.algorithms.logprobs import entropy, token_logprobs
from rilctl.models.forward import group_hidden, sequence_hidden
from rilctl.models.prompts import EncodedPrompt
from rilctl.models.vlm import Vlm


def response_logprobs(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    *,
    temperature: float = 1.0,
    banned_ids: Sequence[int] = (),
    with_entropy: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of responses under the policy, 0 at padding; and the mean entropy in nats over real tokens."""
    inputs = (token_ids_NR[:, :-1], mask_NR[:, :-1])
    with vlm.autocast():
        if len(prompts) == len(token_ids_NR):
            hidden_NRH = sequence_hidden(vlm, [prompts[i] for i in prompt_of_row_N.tolist()], *inputs)
        else:
            hidden_NRH = group_hidden(vlm, prompts, prompt_of_row_N, *inputs)
        logits_1TV = vlm.lm_head(hidden_NRH[mask_NR])[None]
    banned = torch.tensor(banned_ids, device=logits_1TV.device, dtype=torch.long) if banned_ids else None
    logprobs_1T = token_logprobs(logits_1TV, token_ids_NR[mask_NR][None], temperature, banned)
    logprobs_NR = torch.zeros(token_ids_NR.shape, dtype=logprobs_1T.dtype, device=logprobs_1T.device)
    logprobs_NR = logprobs_NR.masked_scatter(mask_NR, logprobs_1T[0])
    mean_entropy = entropy(logits_1TV.detach(), temperature, banned).mean() if with_entropy else None
    return logprobs_NR, mean_entropy
