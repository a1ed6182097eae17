"""A sampler's log-probabilities beside the trainer's, and how far rounding alone takes them apart.

Shapes: N rows, R response tokens, T real tokens, C tokens of one chunk, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.shared_prefix.form import response_hidden

_CHUNK_ELEMENTS = 2**24
"""Logits that are computed at a time: 64 MiB of float32."""


@dataclass(frozen=True)
class Compared:
    """One answer's tokens.

    Args:
        differences_R: the trainer's log-probability minus the sampler's, in nats.
        units_R: what makes of each a log-probability's error in nats, where each logit is off by one unit in the last
            place (ulp) of the largest: a random one, independent of the others'. 0 where the token is certain.
        raw_differences_R: as `differences_R`, the trainer's before temperature and bans.
    """

    differences_R: Tensor
    units_R: Tensor
    raw_differences_R: Tensor


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

    def compute() -> Tensor:
        hidden_NSH = response_hidden(policy, prompts, rows_N, ids_NR[:, :-1], mask_NR[:, :-1])
        hidden_TH = hidden_NSH[mask_NR].to(policy.dtype)
        ids_T = ids_NR[mask_NR]
        weight_VH = policy.lm_head.weight.to(policy.dtype)
        size = max(1, _CHUNK_ELEMENTS // len(weight_VH))
        found = []
        for start in range(0, len(hidden_TH), size):
            logits_CV = (hidden_TH[start : start + size] @ weight_VH.T).float()
            found.append(_of_tokens(logits_CV, ids_T[start : start + size], banned_N, temperature))
        return torch.cat(found, 1)

    with torch.no_grad(), policy.forward_pass():
        ours_T, errors_T, raw_T = policy.sharding.run(compute).cpu()
    theirs_T = torch.tensor([logprob for _, logprobs in answers for logprob in logprobs])
    units_T = errors_T * torch.finfo(policy.dtype).eps
    columns_3T = torch.stack([ours_T - theirs_T, units_T, raw_T - theirs_T])
    return [Compared(*one_3R) for one_3R in torch.split(columns_3T, [len(ids) for ids, _ in answers], 1)]


def _of_tokens(logits_CV: Tensor, ids_C: Tensor, banned_N: Tensor, temperature: float) -> Tensor:
    """Three values of each token; the logits are overwritten.

    Its log-probability; the error of that in nats where each logit has one as large as the largest logit; and the
    log-probability before temperature and bans. d logprob / d z_v = (1[v is the token] - p_v) / temperature, and
    independent errors add in squares.
    """
    at_C1 = ids_C[:, None]
    raw_C = logits_CV.log_softmax(-1).gather(-1, at_C1)[:, 0]
    largest_C = logits_CV.index_fill(-1, banned_N, 0.0).abs().amax(-1)
    logits_CV.index_fill_(-1, banned_N, -torch.inf)
    logprobs_CV = logits_CV.div_(temperature).log_softmax(-1)
    logprobs_C = logprobs_CV.gather(-1, at_C1)[:, 0]
    p_C = logprobs_C.exp()
    squares_C = (2 * logprobs_CV).exp_().sum(-1) - p_C**2 + (1 - p_C) ** 2
    return torch.stack([logprobs_C, largest_C * squares_C.clamp(min=0.0).sqrt() / temperature, raw_C])
