"""Log-probabilities of tokens under the policy that is trained, straight from hidden states.

That policy is the softmax of the model's logits at a temperature with some token ids banned. It is recomputed by the
trainer for tokens that an engine sampled, so engine and trainer must agree on temperature and bans.

At a vocabulary of 152,000 the logits of a batch are the largest tensor of a training step by far, so no more than one
chunk of them ever exists. `token_logprobs` computes each chunk again in backward; `token_loss` takes the gradient on
the way forward, which saves that, where the loss is a sum over tokens.

Shapes: T tokens, C tokens of one chunk, H hidden, V vocabulary, N banned ids.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

_CHUNK_ELEMENTS = {"cpu": 2**24, "cuda": 2**27}
"""Logits that are alive at a time: 64 MiB of float32 on a CPU; a GPU needs more of them to be busy."""
_NEVER = -1e4
"""A log-probability so low that its exponential is 0, also in float64, and 0 times it is 0."""

LossOf = Callable[[Tensor, slice], Tensor]
"""`(logprobs_C, which of the T tokens they are) -> their part of the loss`, a scalar."""


@dataclass(frozen=True)
class Head:
    """What turns a hidden state into the policy's distribution.

    Args:
        weight_VH: of the language model's head.
        temperature: > 0; divides the logits.
        banned_ids_N: ids whose probability is 0; such a token has log-probability -inf.

    Raises:
        ValueError: `temperature` is not positive.
    """

    weight_VH: Tensor
    temperature: float = 1.0
    banned_ids_N: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be > 0, got {self.temperature}")


def token_logprobs(hidden_TH: Tensor, token_ids_T: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """Log-probability of each token, `z_token / T - logsumexp(z / T)` over the ids that are not banned.

    Args:
        hidden_TH: the hidden states that predict the tokens, any float dtype.
        token_ids_T: ids in [0, V).
        head: the model's.

    Returns:
        logprobs_T, <= 0, differentiable once with respect to hidden states and weights; and the distribution's entropy
        entropy_T in nats, between 0 and log(V - N), without gradient. Both float32 (float64 for float64).
    """
    logprobs_T, entropy_T = _TokenLogprobs.apply(hidden_TH, head.weight_VH, token_ids_T, head)  # type: ignore[no-untyped-call]
    return cast("Tensor", logprobs_T), cast("Tensor", entropy_T)


def token_loss(hidden_TH: Tensor, token_ids_T: Tensor, head: Head, loss_of: LossOf) -> tuple[Tensor, Tensor, Tensor]:
    """A loss that is a sum over tokens, each term a function of that token's log-probability alone.

    Costs one matrix product less than the same loss of `token_logprobs`.

    Args:
        hidden_TH: the hidden states that predict the tokens, any float dtype.
        token_ids_T: ids in [0, V); not banned ones.
        head: the model's.
        loss_of: called for one chunk after another.

    Returns:
        The loss, differentiable once; logprobs_T and entropy_T as from `token_logprobs`, without gradient.
    """
    learns = torch.is_grad_enabled() and (hidden_TH.requires_grad or head.weight_VH.requires_grad)
    return cast(
        "tuple[Tensor, Tensor, Tensor]",
        _TokenLoss.apply(hidden_TH, head.weight_VH, token_ids_T, head, loss_of, learns),  # type: ignore[no-untyped-call]
    )


@dataclass
class _Softmax:
    """One chunk's distribution; `exps_CV / sums_C1` are its probabilities."""

    hidden_CH: Tensor
    exps_CV: Tensor
    sums_C1: Tensor
    logprobs_C: Tensor
    entropy_C: Tensor


def _softmax(hidden_CH: Tensor, weight_VH: Tensor, token_ids_C: Tensor, head: Head) -> _Softmax:
    hidden_CH = hidden_CH / head.temperature
    scaled_CV = (hidden_CH @ weight_VH.T).to(_wide(weight_VH.dtype))
    if head.banned_ids_N is not None:
        scaled_CV.index_fill_(-1, head.banned_ids_N, -torch.inf)
    scaled_CV -= scaled_CV.amax(-1, keepdim=True)
    chosen_C = scaled_CV.gather(-1, token_ids_C[:, None])[:, 0]
    if head.banned_ids_N is not None:
        scaled_CV.index_fill_(-1, head.banned_ids_N, _NEVER)
    exps_CV = scaled_CV.exp()
    sums_C1 = exps_CV.sum(-1, keepdim=True)
    log_sums_C = sums_C1[:, 0].log()
    mean_C = torch.bmm(exps_CV[:, None], scaled_CV[:, :, None])[:, 0, 0] / sums_C1[:, 0]
    return _Softmax(hidden_CH, exps_CV, sums_C1, chosen_C - log_sums_C, log_sums_C - mean_C)


class _Gradient:
    """Sums up d loss / d hidden states and weights; d logprob / d z_v = (1[v is the token] - p_v) / temperature."""

    def __init__(self, hidden_TH: Tensor, head: Head, compute_dtype: torch.dtype) -> None:
        self.head = head
        self.dtype = compute_dtype
        self.hidden_TH = torch.empty_like(hidden_TH) if hidden_TH.requires_grad else None
        self.weight_VH = torch.zeros_like(head.weight_VH) if head.weight_VH.requires_grad else None

    def add(self, chunk: slice, soft: _Softmax, weight_VH: Tensor, token_ids_C: Tensor, grad_C: Tensor) -> None:
        """Add a chunk; `grad_C` is d loss / d logprob. What was banned has exponential 0 and gets nothing."""
        grad_C1 = grad_C[:, None]
        if self.head.banned_ids_N is not None:
            grad_C1 = grad_C1.masked_fill(soft.logprobs_C[:, None] == -torch.inf, 0.0)
        scale_C1 = grad_C1 / soft.sums_C1
        exps_CV = soft.exps_CV.to(self.dtype)
        if self.hidden_TH is not None:
            mean_CH = (exps_CV @ weight_VH) * scale_C1
            grad_CH = (weight_VH[token_ids_C] * grad_C1 - mean_CH) / self.head.temperature
            self.hidden_TH[chunk] = grad_CH.to(self.hidden_TH.dtype)
        if self.weight_VH is not None:
            wide = self.weight_VH.dtype
            self.weight_VH.index_add_(0, token_ids_C, (soft.hidden_CH * grad_C1).to(wide))
            scaled_CH = (soft.hidden_CH * scale_C1).to(self.dtype)
            if self.dtype == wide:
                self.weight_VH.addmm_(exps_CV.T, scaled_CH, alpha=-1)
            else:
                self.weight_VH -= exps_CV.T @ scaled_CH


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_TH: Tensor, weight_VH: Tensor, token_ids_T: Tensor, head: Head
    ) -> tuple[Tensor, Tensor]:
        ctx.compute_dtype = dtype = _compute_dtype(hidden_TH)
        ctx.head = head
        ctx.save_for_backward(hidden_TH, weight_VH, token_ids_T)
        logprobs_T, entropy_T = _empty(hidden_TH, dtype), _empty(hidden_TH, dtype)
        with torch.autocast(hidden_TH.device.type, enabled=False):
            cast_VH = weight_VH.to(dtype)
            for chunk in _chunks(hidden_TH, weight_VH):
                soft = _softmax(hidden_TH[chunk].to(dtype), cast_VH, token_ids_T[chunk], head)
                logprobs_T[chunk], entropy_T[chunk] = soft.logprobs_C, soft.entropy_C
        ctx.mark_non_differentiable(entropy_T)
        return logprobs_T, entropy_T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_T: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden_TH, weight_VH, token_ids_T = ctx.saved_tensors
        gradient = _Gradient(hidden_TH, ctx.head, ctx.compute_dtype)
        cast_VH = weight_VH.to(ctx.compute_dtype)
        for chunk in _chunks(hidden_TH, weight_VH):
            soft = _softmax(hidden_TH[chunk].to(ctx.compute_dtype), cast_VH, token_ids_T[chunk], ctx.head)
            gradient.add(chunk, soft, cast_VH, token_ids_T[chunk], grad_T[chunk])
        return gradient.hidden_TH, gradient.weight_VH, None, None


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_TH: Tensor, weight_VH: Tensor, token_ids_T: Tensor, head: Head, loss_of: LossOf, learns: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype = _compute_dtype(hidden_TH)
        logprobs_T, entropy_T = _empty(hidden_TH, dtype), _empty(hidden_TH, dtype)
        loss = logprobs_T.new_zeros(())
        gradient = _Gradient(hidden_TH, head, dtype) if learns else None
        with torch.autocast(hidden_TH.device.type, enabled=False):
            cast_VH = weight_VH.to(dtype)
            for chunk in _chunks(hidden_TH, weight_VH):
                soft = _softmax(hidden_TH[chunk].to(dtype), cast_VH, token_ids_T[chunk], head)
                logprobs_T[chunk], entropy_T[chunk] = soft.logprobs_C, soft.entropy_C
                with torch.enable_grad():
                    leaf_C = soft.logprobs_C.detach().requires_grad_()
                    part = loss_of(leaf_C, chunk)
                loss += part.detach()
                if gradient is not None:
                    (grad_C,) = torch.autograd.grad(part, leaf_C)
                    gradient.add(chunk, soft, cast_VH, token_ids_T[chunk], grad_C)
        ctx.gradient = gradient
        ctx.mark_non_differentiable(logprobs_T, entropy_T)
        return loss, logprobs_T, entropy_T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        hidden_TH, weight_VH = (
            None if sums is None else sums.mul_(grad) for sums in (ctx.gradient.hidden_TH, ctx.gradient.weight_VH)
        )
        del ctx.gradient
        return hidden_TH, weight_VH, None, None, None, None


def _compute_dtype(hidden_TH: Tensor) -> torch.dtype:
    device = hidden_TH.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_TH.dtype


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _empty(hidden_TH: Tensor, dtype: torch.dtype) -> Tensor:
    return hidden_TH.new_empty(len(hidden_TH), dtype=_wide(dtype))


def _chunks(hidden_TH: Tensor, weight_VH: Tensor) -> Iterator[slice]:
    size = max(1, _CHUNK_ELEMENTS.get(hidden_TH.device.type, 2**24) // len(weight_VH))
    return (slice(start, start + size) for start in range(0, len(hidden_TH), size))
