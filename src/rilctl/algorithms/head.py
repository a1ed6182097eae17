"""The head over the vocabulary, a chunk of tokens at a time: at 152,000 ids a batch's logits are never all there.

Shapes: T tokens, C tokens of one chunk, H hidden, V vocabulary, N banned ids.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

GradOf = Callable[[Tensor, slice], Tensor]
"""`(logprobs_C, which of the T tokens they are) -> d loss / d logprob`."""
CHUNK_ELEMENTS = {"cpu": 2**24, "cuda": 2**27}
"""Logits that are alive at a time: 64 MiB of float32 on a CPU; a GPU needs more of them to be busy."""
NEVER = -1e4
"""A log-probability so low that its exponential is 0, also in float64, and 0 times it is 0."""


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


class HeadPass:
    """One walk over all tokens: log-probabilities, entropies, and where asked for the gradients of a loss.

    d logprob / d z_v = (1[v is the token] - p_v) / temperature; what is banned has p_v = 0 and gets nothing.

    Args:
        hidden_TH: the hidden states that predict the tokens.
        token_ids_T: the tokens.
        head: the model's.
        grad_of: see `GradOf`; None: no gradient is asked for.
        compute_dtype: of the matrix products.
    """

    def __init__(
        self,
        hidden_TH: Tensor,
        token_ids_T: Tensor,
        head: Head,
        grad_of: GradOf | None,
        compute_dtype: torch.dtype,
    ) -> None:
        self._head, self._dtype = head, compute_dtype
        wide = torch.promote_types(compute_dtype, torch.float32)
        self.logprobs_T, self.entropy_T = (hidden_TH.new_empty(len(hidden_TH), dtype=wide) for _ in range(2))
        asked = grad_of is not None
        self.grad_TH = torch.empty_like(hidden_TH) if asked and hidden_TH.requires_grad else None
        self.grad_VH = torch.zeros_like(head.weight_VH) if asked and head.weight_VH.requires_grad else None
        with torch.no_grad(), torch.autocast(hidden_TH.device.type, enabled=False):
            weight_VH = head.weight_VH.to(compute_dtype)
            for chunk in chunks(hidden_TH, len(weight_VH)):
                hidden_CH = hidden_TH[chunk].to(compute_dtype) / head.temperature
                self._walk(chunk, hidden_CH, weight_VH, token_ids_T[chunk], grad_of)

    def _walk(self, chunk: slice, hidden_CH: Tensor, weight_VH: Tensor, ids_C: Tensor, grad_of: GradOf | None) -> None:
        """One chunk; its logits are gone before the next chunk's are made."""
        exps_CV, sums_C1 = self._softmax(chunk, hidden_CH, weight_VH, ids_C)
        if grad_of is not None:
            grad_C1 = grad_of(self.logprobs_T[chunk], chunk)[:, None]
            grad_C1 = grad_C1.masked_fill(self.logprobs_T[chunk, None] == -torch.inf, 0.0)
            self._add(chunk, hidden_CH, weight_VH, ids_C, exps_CV.to(self._dtype), sums_C1, grad_C1)

    def _softmax(self, chunk: slice, hidden_CH: Tensor, weight_VH: Tensor, ids_C: Tensor) -> tuple[Tensor, Tensor]:
        """Fill in the chunk's results; `exps_CV / sums_C1` are its probabilities."""
        banned_N = self._head.banned_ids_N
        scaled_CV = (hidden_CH @ weight_VH.T).to(self.logprobs_T.dtype)
        if banned_N is not None:
            scaled_CV.index_fill_(-1, banned_N, -torch.inf)
        scaled_CV -= scaled_CV.amax(-1, keepdim=True)
        chosen_C = scaled_CV.gather(-1, ids_C[:, None])[:, 0]
        if banned_N is not None:
            scaled_CV.index_fill_(-1, banned_N, NEVER)
        exps_CV = scaled_CV.exp()
        sums_C = exps_CV.sum(-1)
        mean_C = torch.bmm(exps_CV[:, None], scaled_CV[:, :, None])[:, 0, 0] / sums_C
        self.logprobs_T[chunk] = chosen_C - sums_C.log()
        self.entropy_T[chunk] = (sums_C.log() - mean_C).clamp_(min=0.0)
        return exps_CV, sums_C[:, None]

    def _add(
        self, chunk: slice, hidden: Tensor, weight: Tensor, ids_C: Tensor, exps_CV: Tensor, sums: Tensor, grad: Tensor
    ) -> None:
        """Add the chunk's gradients; the hidden states are divided by the temperature already."""
        if self.grad_TH is not None:
            grad_CH = weight[ids_C] * grad - (exps_CV @ weight) * (grad / sums)
            self.grad_TH[chunk] = (grad_CH / self._head.temperature).to(self.grad_TH.dtype)
        if self.grad_VH is not None:
            self.grad_VH.index_add_(0, ids_C, (hidden * grad).to(self.grad_VH.dtype))
            scaled_CH = (hidden * (grad / sums)).to(self._dtype)
            if self._dtype == self.grad_VH.dtype:
                self.grad_VH.addmm_(exps_CV.T, scaled_CH, alpha=-1)
            else:
                self.grad_VH -= exps_CV.T @ scaled_CH


def chunks(hidden_TH: Tensor, num_ids: int) -> Iterator[slice]:
    """The T tokens, as many at a time as have `CHUNK_ELEMENTS` values of `num_ids` each, and one at least."""
    size = max(1, CHUNK_ELEMENTS.get(hidden_TH.device.type, 2**24) // num_ids)
    return (slice(start, start + size) for start in range(0, len(hidden_TH), size))
