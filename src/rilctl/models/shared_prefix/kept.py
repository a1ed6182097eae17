"""The prompts of a step, computed once for its rollouts and for the update that follows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from rilctl.data.micro_batches import GroupSize, padded_tokens
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.pieces import compute_in_pieces
from rilctl.models.shared_prefix.prefix import Prefix, compute_prefix
from rilctl.private.torch import num_writes


class KeptPrefix:
    """The prompts of a step, computed once with their graph: for the rollouts, and for the update that follows.

    They are kept where the whole step is one micro-batch: there the update holds the same graph, and its backward runs
    through it once.

    Args:
        vlm: the policy; its weights don't change in between.
        budget_tokens: of a micro-batch.
        num_rows: of a prompt in the update.
        response_tokens: of a row at most.
    """

    def __init__(self, vlm: Vlm, *, budget_tokens: int, num_rows: int, response_tokens: int) -> None:
        self._vlm = vlm
        self._budget_tokens, self._num_rows, self._response_tokens = budget_tokens, num_rows, response_tokens
        self._num_expected: int | None = None
        self._held: tuple[list[EncodedPrompt], Prefix] | None = None
        self._weights: list[int] = []

    @contextmanager
    def expecting(self, num_prompts: int) -> Iterator[None]:
        """Rollouts inside are a step's, of so many prompts."""
        self._held, self._num_expected = None, num_prompts
        try:
            yield
        finally:
            self._num_expected = None

    def compute(self, prompts: Sequence[EncodedPrompt]) -> Prefix:
        """The prefix, for rollouts; kept if these are all of a step's prompts and the step is one micro-batch."""
        keeps = len(prompts) == self._num_expected and self._fits(prompts)
        with torch.set_grad_enabled(keeps):
            prefix = (compute_prefix if keeps else compute_in_pieces)(self._vlm, prompts)
        if keeps:
            self._held, self._weights = (list(prompts), prefix), self._versions()
        return prefix

    def take(self, prompts: Sequence[EncodedPrompt]) -> Prefix | None:
        """What was kept of exactly these prompts, once; None: nothing, or the weights have changed since."""
        held, self._held = self._held, None
        if held is None or self._weights != self._versions():
            return None
        is_same = len(held[0]) == len(prompts) and all(a is b for a, b in zip(held[0], prompts, strict=True))
        return held[1] if is_same else None

    def _fits(self, prompts: Sequence[EncodedPrompt]) -> bool:
        sizes = [GroupSize(len(prompt.token_ids_P), self._num_rows, self._response_tokens) for prompt in prompts]
        return padded_tokens(sizes) <= self._budget_tokens

    def _versions(self) -> list[int]:
        return [num_writes(parameter) for _, parameter in self._vlm.trained_parameters()]
