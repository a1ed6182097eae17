"""A sampler's log-probabilities beside the trainer's, and how far rounding alone takes them apart.

Shapes: N rows, R response tokens, T real tokens, C tokens of one chunk, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.models.processor import EncodedPrompt
from rilctl.models.prompts import collate_responses
from rilctl.models.responses import response_hidden
from rilctl.models.vlm import Vlm

_CHUNK_ELEMENTS = 2**25
"""Logits that are alive at a time: 128 MiB of float32."""


@dataclass(frozen=True)
class Compared:
    """One answer's tokens.

    Args:
        differences_R: the trainer's log-probability minus the sampler's, in nats.
        units_R: what makes of each a log-probability's error in nats, where each logit is off by one unit in the last
            place (ulp) of the largest: a random one, independent of the others'. 0 where the token is certain.
    """

    differences_R: Tensor
    units_R: Tensor


def compare(
    policy: Vlm,
    prompts: Sequence[EncodedPrompt],
    answers: Sequence[tuple[Sequence[int], Sequence[float]]],
    *,
    temperature: float,
    banned_ids: Sequence[int],
) -> list[Compared]:
    """Compute what a sampler says again.

    In the order and precision of vLLM's sampler: the head's product in the model's precision, which rounds the logits;
    bans, temperature and softmax in float32.

    Args:
        policy: the model.
        prompts: one for each answer.
        answers: sampled token ids, and the log-probability that the sampler gives each.
        temperature: > 0.
        banned_ids: never sampled.
    """
    ids_NR, mask_NR = collate_responses(policy, [ids for ids, _ in answers])
    rows_N = torch.arange(len(answers), device=policy.device)
    banned_N = torch.tensor(banned_ids, device=policy.device, dtype=torch.long)

    def compute() -> tuple[Tensor, Tensor]:
        hidden_NSH = response_hidden(policy, prompts, rows_N, ids_NR[:, :-1], mask_NR[:, :-1])
        hidden_TH = hidden_NSH[mask_NR].to(policy.dtype)
        ids_T = ids_NR[mask_NR]
        weight_VH = policy.lm_head.weight.to(policy.dtype)
        size = max(1, _CHUNK_ELEMENTS // len(weight_VH))
        logprobs, units = [], []
        for start in range(0, len(hidden_TH), size):
            logits_CV = (hidden_TH[start : start + size] @ weight_VH.T).float()
            logits_CV.index_fill_(-1, banned_N, -torch.inf)
            logprobs_C, units_C = _of_tokens(logits_CV, ids_T[start : start + size], temperature)
            logprobs.append(logprobs_C)
            units.append(units_C * torch.finfo(policy.dtype).eps)
        return torch.cat(logprobs), torch.cat(units)

    with torch.no_grad(), policy.forward_pass():
        ours_T, units_T = (values.cpu() for values in policy.sharding.run(compute))
    theirs_T = torch.tensor([logprob for _, logprobs in answers for logprob in logprobs])
    sizes = [len(ids) for ids, _ in answers]
    both = zip(torch.split(ours_T - theirs_T, sizes), torch.split(units_T, sizes), strict=True)
    return [Compared(differences_R, units_R) for differences_R, units_R in both]


def _of_tokens(logits_CV: Tensor, ids_C: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Their log-probabilities, and the error in nats where each logit has one as large as the largest logit.

    d logprob / d z_v = (1[v is the token] - p_v) / temperature; independent errors add in squares.
    """
    largest_C = logits_CV.masked_fill(logits_CV == -torch.inf, 0.0).abs().amax(-1)
    logprobs_CV = (logits_CV / temperature).log_softmax(-1)
    logprobs_C = logprobs_CV.gather(-1, ids_C[:, None])[:, 0]
    p_C = logprobs_C.exp()
    squares_C = (2 * logprobs_CV).exp().sum(-1) - p_C**2 + (1 - p_C) ** 2
    return logprobs_C, largest_C * squares_C.clamp(min=0.0).sqrt() / temperature
