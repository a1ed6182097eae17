"""The policy that is trained: temperature and bans over the model's logits. Shapes: N rows, R tokens, T real tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.algorithms.head import Head
from rilctl.algorithms.logprobs import LossOf, token_logprobs, token_loss
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.form import response_hidden
from rilctl.models.shared_prefix.prefix import Prefix


def response_logprobs(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    *,
    temperature: float = 1.0,
    banned_ids: Sequence[int] = (),
    prefix: Prefix | None = None,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities logprobs_NR of responses, 0 at padding; entropy_T of the policy in nats, without gradient.

    `prefix`: the prompts, where they are computed already.
    """

    def compute() -> tuple[Tensor, Tensor]:
        with vlm.forward_pass():
            hidden_TH = token_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR, prefix)
            return token_logprobs(hidden_TH, token_ids_NR[mask_NR], head_of(vlm, temperature, banned_ids))

    logprobs_T, entropy_T = vlm.sharding.run(compute)
    return _spread(logprobs_T, mask_NR), entropy_T


def response_loss(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    loss_of: LossOf,
    *,
    temperature: float = 1.0,
    banned_ids: Sequence[int] = (),
    prefix: Prefix | None = None,
    start_of_row_N: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A loss that is a sum over the responses' tokens, row after row; cheaper than through their log-probabilities.

    `loss_of`: as from `BatchLoss.of_tokens`. `prefix`: the prompts, where they are computed already. `start_of_row_N`:
    where responses stand in their prompts, whole conversations; None: they follow them.

    Returns:
        The loss, the only one with a gradient; logprobs_NR, 0 at padding; entropy_T in nats.
    """

    def compute() -> tuple[Tensor, Tensor, Tensor]:
        with vlm.forward_pass():
            hidden_TH = token_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR, prefix, start_of_row_N)
            return token_loss(hidden_TH, token_ids_NR[mask_NR], head_of(vlm, temperature, banned_ids), loss_of)

    loss, logprobs_T, entropy_T = vlm.sharding.run(compute)
    return loss, _spread(logprobs_T, mask_NR), entropy_T


def token_hidden(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    prefix: Prefix | None = None,
    start_of_row_N: Tensor | None = None,
) -> Tensor:
    """hidden_TH of the real tokens, row after row; each predicts its token. See `response_loss` for the arguments."""
    ids_NR, before_last_NR = token_ids_NR[:, :-1], mask_NR[:, :-1]
    hidden_NSH = response_hidden(
        vlm, prompts, prompt_of_row_N, ids_NR, before_last_NR, prefix=prefix, start_of_row_N=start_of_row_N
    )
    return hidden_NSH[mask_NR]


def head_of(vlm: Vlm, temperature: float, banned_ids: Sequence[int]) -> Head:
    """The model's head as the policy's, on its device."""
    banned_N = torch.tensor(banned_ids, device=vlm.device, dtype=torch.long) if banned_ids else None
    return Head(vlm.lm_head.weight, temperature, banned_N)


def _spread(values_T: Tensor, mask_NR: Tensor) -> Tensor:
    """Values of the real tokens at their places, 0 at padding."""
    values_NR = torch.zeros(mask_NR.shape, dtype=values_T.dtype, device=values_T.device)
    return values_NR.masked_scatter(mask_NR, values_T)
