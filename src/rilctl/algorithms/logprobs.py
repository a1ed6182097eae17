"""Log-probabilities of given tokens under the policy that is trained.

That policy is the softmax of the model's logits at a temperature with some token ids banned. It is recomputed by the
trainer for tokens that an engine sampled, so engine and trainer must agree on temperature and bans.

Shapes: B rows, R response tokens, C response tokens of one chunk, V vocabulary, N banned ids.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

_CHUNK_ELEMENTS = 2**24
"""Logits that are upcast at a time: 64 MiB of float32, whatever the batch."""


def token_logprobs(
    logits_BRV: Tensor, token_ids_BR: Tensor, temperature: float = 1.0, banned_ids_N: Tensor | None = None
) -> Tensor:
    """Log-probability of each token, `z_token / T - logsumexp(z / T)` over the ids that are not banned.

    Forward and backward walk over chunks of response tokens, and backward recomputes the softmax from the model's own
    logits, so the only tensor of the logits' size that is ever allocated is their gradient, in their dtype.

    Args:
        logits_BRV: the model's outputs that predict `token_ids_BR` (already shifted), any float dtype.
        token_ids_BR: ids in [0, V), at masked positions as well.
        temperature: > 0; divides the logits.
        banned_ids_N: ids whose probability is 0; such a token has log-probability -inf and passes no gradient to
            itself, so it may stand at masked positions only.

    Returns:
        logprobs_BR, <= 0, float32 (float64 for float64 logits), differentiable once with respect to the logits.

    Raises:
        ValueError: `temperature` is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    return cast("Tensor", _TokenLogprobs.apply(logits_BRV, token_ids_BR, temperature, banned_ids_N))  # type: ignore[no-untyped-call]


@torch.no_grad()
def entropy(logits_BRV: Tensor, temperature: float = 1.0, banned_ids_N: Tensor | None = None) -> Tensor:
    """Shannon entropy in nats of the same distribution at each position; a metric, so without gradient.

    Args:
        logits_BRV: the model's outputs at the response positions.
        temperature: > 0; divides the logits.
        banned_ids_N: ids whose probability is 0.

    Returns:
        entropy_BR, between 0 and log(V - N).

    Raises:
        ValueError: `temperature` is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    entropy_BR = logits_BRV.new_empty(logits_BRV.shape[:2], dtype=_wide(logits_BRV.dtype))
    for chunk in _chunks(logits_BRV):
        probs_BCV = torch.softmax(_scaled(logits_BRV[:, chunk], temperature, banned_ids_N), dim=-1)
        entropy_BR[:, chunk] = torch.special.entr(probs_BCV).sum(dim=-1)
    return entropy_BR


class _TokenLogprobs(torch.autograd.Function):
    """d logprob / d z_v = (1[v is the token] - p_v) / T, and 0 where v is banned."""

    @staticmethod
    def forward(
        ctx: Any, logits_BRV: Tensor, token_ids_BR: Tensor, temperature: float, banned_ids_N: Tensor | None
    ) -> Tensor:
        logprobs_BR = logits_BRV.new_empty(logits_BRV.shape[:2], dtype=_wide(logits_BRV.dtype))
        log_normalizers_BR = torch.empty_like(logprobs_BR)
        for chunk in _chunks(logits_BRV):
            scaled_BCV = _scaled(logits_BRV[:, chunk], temperature, banned_ids_N)
            log_normalizers_BR[:, chunk] = scaled_BCV.logsumexp(dim=-1)
            logprobs_BR[:, chunk] = scaled_BCV.gather(-1, token_ids_BR[:, chunk, None])[..., 0]
        ctx.save_for_backward(logits_BRV, token_ids_BR, log_normalizers_BR, banned_ids_N)
        ctx.temperature = temperature
        return logprobs_BR - log_normalizers_BR

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_BR: Tensor) -> tuple[Tensor, None, None, None]:
        logits_BRV, token_ids_BR, log_normalizers_BR, banned_ids_N = ctx.saved_tensors
        grad_logits_BRV = torch.empty_like(logits_BRV)
        for chunk in _chunks(logits_BRV):
            scaled_BCV = _scaled(logits_BRV[:, chunk], ctx.temperature, banned_ids_N)
            grad_BC1 = grad_BR[:, chunk, None]
            grad_BCV = scaled_BCV.sub_(log_normalizers_BR[:, chunk, None]).exp_().mul_(-grad_BC1)
            grad_BCV.scatter_add_(-1, token_ids_BR[:, chunk, None], grad_BC1)
            if banned_ids_N is not None:
                grad_BCV.index_fill_(-1, banned_ids_N, 0.0)
            grad_logits_BRV[:, chunk] = grad_BCV.div_(ctx.temperature)
        return grad_logits_BRV, None, None, None


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _chunks(logits_BRV: Tensor) -> Iterator[slice]:
    num_rows, num_tokens, num_ids = logits_BRV.shape
    size = max(1, _CHUNK_ELEMENTS // max(1, num_rows * num_ids))
    return (slice(start, start + size) for start in range(0, num_tokens, size))


def _scaled(logits_BCV: Tensor, temperature: float, banned_ids_N: Tensor | None) -> Tensor:
    scaled_BCV = logits_BCV.to(_wide(logits_BCV.dtype), copy=True).div_(temperature)
    return scaled_BCV if banned_ids_N is None else scaled_BCV.index_fill_(-1, banned_ids_N, -torch.inf)
