"""Log-probabilities of tokens under the policy that is trained, straight from hidden states.

That policy is the softmax of the model's logits at a temperature with some token ids banned. It is recomputed by the
trainer for tokens that an engine sampled, so engine and trainer must agree on temperature and bans.

No more than one chunk of logits ever exists. `token_logprobs` computes each chunk again in backward; `token_loss` takes
the gradient on the way forward, which saves that, where the loss is a sum over tokens.

Shapes: T tokens, C tokens of one chunk, H hidden, V vocabulary, N banned ids.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from rilctl.algorithms.head import Head, HeadPass

LossOf = Callable[[Tensor, slice], Tensor]
"""`(logprobs_C, which of the T tokens they are) -> their part of the loss`, a scalar: a pure function of this room."""


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
    results = _TokenLogprobs.apply(hidden_TH, head.weight_VH, token_ids_T, head)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor]", results)


def token_loss(hidden_TH: Tensor, token_ids_T: Tensor, head: Head, loss_of: LossOf) -> tuple[Tensor, Tensor, Tensor]:
    """A loss that is a sum over tokens, each term a function of that token's log-probability alone.

    Costs one matrix product less than the same loss of `token_logprobs`.

    Args:
        hidden_TH: the hidden states that predict the tokens, any float dtype.
        token_ids_T: ids in [0, V); not banned ones.
        head: the model's.
        loss_of: of each chunk.

    Returns:
        The loss, differentiable once; logprobs_T and entropy_T as from `token_logprobs`, without gradient.
    """
    learns = torch.is_grad_enabled() and (hidden_TH.requires_grad or head.weight_VH.requires_grad)
    results = _TokenLoss.apply(hidden_TH, head.weight_VH, token_ids_T, head, loss_of, learns)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor, Tensor]", results)


def negative_log_likelihood(logprobs_C: Tensor, _: slice) -> Tensor:
    """Its sum over tokens, in nats: a `LossOf`."""
    return -logprobs_C.sum()


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_TH: Tensor, weight_VH: Tensor, token_ids_T: Tensor, head: Head
    ) -> tuple[Tensor, Tensor]:
        ctx.head, ctx.dtype = head, _compute_dtype(hidden_TH)
        ctx.save_for_backward(hidden_TH, weight_VH, token_ids_T)
        done = HeadPass(hidden_TH, token_ids_T, head, None, ctx.dtype)
        ctx.mark_non_differentiable(done.entropy_T)
        return done.logprobs_T, done.entropy_T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_T: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden_TH, _, token_ids_T = ctx.saved_tensors
        done = HeadPass(hidden_TH, token_ids_T, ctx.head, lambda _, chunk: grad_T[chunk], ctx.dtype)
        return done.grad_TH, done.grad_VH, None, None


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_TH: Tensor, weight_VH: Tensor, token_ids_T: Tensor, head: Head, loss_of: LossOf, learns: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        parts = []

        def grad_of(logprobs_C: Tensor, chunk: slice) -> Tensor:
            with torch.enable_grad():
                leaf_C = logprobs_C.detach().requires_grad_()
                part = loss_of(leaf_C, chunk)
            parts.append(part.detach())
            return torch.autograd.grad(part, leaf_C)[0]

        done = HeadPass(hidden_TH, token_ids_T, head, grad_of if learns else None, _compute_dtype(hidden_TH))
        if not learns:
            parts.append(loss_of(done.logprobs_T, slice(None)))
        ctx.grads = (done.grad_TH, done.grad_VH)
        ctx.mark_non_differentiable(done.logprobs_T, done.entropy_T)
        return sum(parts, done.logprobs_T.new_zeros(())), done.logprobs_T, done.entropy_T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grads = [None if sums is None else sums.mul_(grad) for sums in ctx.grads]
        del ctx.grads
        return *grads, None, None, None, None


def _compute_dtype(hidden_TH: Tensor) -> torch.dtype:
    device = hidden_TH.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_TH.dtype
