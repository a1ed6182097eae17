"""An algorithm's loss on a batch as a value: of whole rows, or of their tokens, a chunk after another.

Shapes: N rows, R response tokens, C tokens of one chunk. No chunk asks the device for a value: it would wait for each.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, TypedDict

from torch import Tensor

from rilctl.algorithms.logprobs import LossOf
from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.policy_metrics import policy_sums
from rilctl.algorithms.sampler_weights import sampler_metrics, sampler_weights
from rilctl.algorithms.terms import Terms


class Choices(TypedDict):
    """What `policy_loss` and `policy_sums` both take; see there."""

    clip_low: float
    clip_high: float
    ratio_level: Literal["token", "sequence"]
    kl_rows: Literal["student", "all"]
    objective: str


class SamplerCut(NamedTuple):
    """How the weights of what another engine sampled are made; see `sampler_weights`."""

    level: Literal["token", "sequence"]
    mode: Literal["truncate", "mask"]
    cap: float


@dataclass(frozen=True)
class BatchLoss:
    """The loss of one global batch, to which its micro-batches add up; see `policy_loss`.

    Args:
        choices: the algorithm's.
        kl_beta: weight of the KL.
        loss_weighting: of `WEIGHTINGS`.
        denominator: the whole batch's.
        sampler_cut: of rows with sampling log-probabilities; None: they need no correction.
    """

    choices: Choices
    kl_beta: float
    loss_weighting: str
    denominator: float
    sampler_cut: SamplerCut | None = None

    @property
    def is_sum_over_tokens(self) -> bool:
        """Whether a token's share in the loss depends on no other token of its row."""
        by_token = self.sampler_cut is None or self.sampler_cut.level == "token"
        return self.choices["ratio_level"] == "token" and self.loss_weighting == "token" and by_token

    def of_rows(self, policy_NR: Tensor, terms: Terms) -> Tensor:
        """The rows' share in the loss."""
        return policy_loss(
            *terms.for_policy(policy_NR),
            **self.choices,
            kl_beta=self.kl_beta,
            denominator=self.denominator,
            loss_weighting=self.loss_weighting,
            weights_BR=self._weights(policy_NR, terms),
        )

    def of_tokens(self, terms: Terms) -> LossOf:
        """The same share, where it is a sum over tokens, as a function of some tokens' log-probabilities."""
        return partial(self._of_chunk, terms.tokens())

    def sums(self, policy_NR: Tensor, terms: Terms) -> dict[str, Tensor]:
        """What the rows add to the batch's metrics: see `policy_sums`."""
        policy_NR = policy_NR.detach()
        weights_NR, measured = self._weights(policy_NR, terms), None
        sampled, cut = terms.for_sampler(policy_NR), self.sampler_cut
        if weights_NR is not None and sampled is not None and cut is not None:
            measured = sampler_metrics(*sampled, weights_NR, level=cut.level, cap=cut.cap)
        arguments = terms.for_policy(policy_NR)
        return policy_sums(*arguments, **self.choices, weights_BR=weights_NR, of_students_BR=measured)

    def _of_chunk(self, tokens: Terms, logprobs_C: Tensor, chunk: slice) -> Tensor:
        """Each token is a row of one."""
        return self.of_rows(logprobs_C[:, None], tokens.of(chunk))

    def _weights(self, policy_NR: Tensor, terms: Terms) -> Tensor | None:
        sampled, cut = terms.for_sampler(policy_NR), self.sampler_cut
        if sampled is None or cut is None:
            return None
        return sampler_weights(*sampled, level=cut.level, mode=cut.mode, cap=cut.cap)
