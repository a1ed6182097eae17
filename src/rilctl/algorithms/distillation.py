"""On-policy distillation: at each token of the student's own responses, how far its distribution is from a teacher's.

The reverse KL over the whole vocabulary, `KL(p || q) = sum over v of p_v (log p_v - log q_v)`, p the policy's and q the
teacher's, both at one temperature with the same ids banned. No gradient goes through the sampling of the states (GKD,
2306.13649). With z the policy's logits before the temperature, `d KL / d z_v = p_v (log p_v - log q_v - KL) / T`.

No more than a chunk of either's logits ever exists; the gradient is taken on the way forward, as in `token_loss`.

Shapes: T tokens, C tokens of one chunk, H hidden of the student, K hidden of the teacher, V ids that both have.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from rilctl.algorithms.head import NEVER, Head, chunks


class Distillation(NamedTuple):
    """Of T tokens.

    Args:
        loss: the sum of their reverse KLs, times the scale; the only one with a gradient.
        kl_T: in nats, >= 0.
        agrees_T: 1 where both have the same most probable id, else 0.
        teacher_entropy_T: in nats.
        logprobs_T: of the tokens, under the policy.
        entropy_T: of the policy, in nats.
    """

    loss: Tensor
    kl_T: Tensor
    agrees_T: Tensor
    teacher_entropy_T: Tensor
    logprobs_T: Tensor
    entropy_T: Tensor


def reverse_kl(
    hidden_TH: Tensor, teacher_TK: Tensor, token_ids_T: Tensor, head: Head, teacher_VK: Tensor, *, scale: float
) -> Distillation:
    """The loss `scale * sum over tokens of KL(policy || teacher)`; differentiable once, to be minimised.

    Args:
        hidden_TH: the policy's hidden states that predict the tokens.
        teacher_TK: the teacher's, without gradient.
        token_ids_T: the tokens, as they were sampled.
        head: the policy's; its temperature and bans are the teacher's too. Ids that one of the two heads lacks have no
            part in it: they must be banned, as the padding of a head is.
        teacher_VK: the weights of the teacher's head.
        scale: 1 / the number of tokens of the global batch, for its mean.
    """
    learns = torch.is_grad_enabled() and (hidden_TH.requires_grad or head.weight_VH.requires_grad)
    device = hidden_TH.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_TH.dtype
    given = (hidden_TH, head.weight_VH, teacher_TK, teacher_VK, token_ids_T, head, scale, learns, dtype)
    return Distillation(*_ReverseKl.apply(*given))  # type: ignore[no-untyped-call]


class _ReverseKl(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_TH: Tensor,
        weight_VH: Tensor,
        teacher_TK: Tensor,
        teacher_VK: Tensor,
        token_ids_T: Tensor,
        head: Head,
        scale: float,
        learns: bool,
        dtype: torch.dtype,
    ) -> tuple[Tensor, ...]:
        num_ids = min(len(weight_VH), len(teacher_VK))
        own_VH, wide = weight_VH[:num_ids].to(dtype), torch.promote_types(dtype, torch.float32)
        grad_TH = torch.empty_like(hidden_TH) if learns and hidden_TH.requires_grad else None
        grad_VH = torch.zeros_like(weight_VH) if learns and weight_VH.requires_grad else None
        kl_T, agrees_T, teacher_entropy_T, logprobs_T, entropy_T = hidden_TH.new_empty((5, len(hidden_TH)), dtype=wide)
        with torch.autocast(hidden_TH.device.type, enabled=False):
            for chunk in chunks(hidden_TH, 2 * num_ids):  # of the student and of the teacher
                hidden_CH = hidden_TH[chunk].to(dtype) / head.temperature
                log_p_CV = _log_softmax(hidden_CH, own_VH, head, wide)
                log_q_CV = _log_softmax(teacher_TK[chunk] / head.temperature, teacher_VK[:num_ids], head, wide)
                agrees_T[chunk] = (log_p_CV.argmax(-1) == log_q_CV.argmax(-1)).to(wide)
                logprobs_T[chunk] = log_p_CV.gather(-1, token_ids_T[chunk, None])[:, 0]
                teacher_entropy_T[chunk] = -(log_q_CV.exp() * log_q_CV).sum(-1)
                p_CV = log_p_CV.exp()
                entropy_T[chunk] = -(p_CV * log_p_CV).sum(-1)
                gap_CV = log_p_CV.sub_(log_q_CV)
                kl_C = kl_T[chunk] = (p_CV * gap_CV).sum(-1).clamp_(min=0.0)  # below by rounding only
                if grad_TH is None and grad_VH is None:
                    continue
                grad_CV = gap_CV.sub_(kl_C[:, None]).mul_(p_CV).mul_(scale).to(dtype)
                if grad_TH is not None:
                    grad_TH[chunk] = (grad_CV @ own_VH / head.temperature).to(grad_TH.dtype)
                if grad_VH is not None:
                    grad_VH[:num_ids] += grad_CV.T @ hidden_CH
        ctx.grads = (grad_TH, grad_VH)
        measured = (kl_T, agrees_T, teacher_entropy_T, logprobs_T, entropy_T)
        ctx.mark_non_differentiable(*measured)
        return scale * kl_T.sum(), *measured

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grads = [None if sums is None else sums.mul_(grad) for sums in ctx.grads]
        del ctx.grads
        return *grads, None, None, None, None, None, None, None


def _log_softmax(hidden_CH: Tensor, weight_VH: Tensor, head: Head, wide: torch.dtype) -> Tensor:
    """Of the ids that aren't banned; what is, is so low that its probability is 0."""
    logits_CV = (hidden_CH @ weight_VH.T).to(wide)
    if head.banned_ids_N is None:
        return logits_CV.log_softmax(-1)
    banned_N = head.banned_ids_N[head.banned_ids_N < len(weight_VH)]
    logits_CV.index_fill_(-1, banned_N, -torch.inf)
    return logits_CV.log_softmax(-1).index_fill_(-1, banned_N, NEVER)
