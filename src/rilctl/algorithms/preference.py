"""Learning to prefer a response: what it earns by its log-probabilities, and the loss of two such rewards.

Shapes: N responses or pairs, R response tokens.
"""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn.functional import softplus

ImplicitReward = Callable[[Tensor, Tensor | None, Tensor], Tensor]
"""`(policy_logprobs_NR, ref_logprobs_NR, response_mask_NR) -> rewards_N`, before they are scaled; see `log_ratio`."""


def log_ratio(policy_logprobs_NR: Tensor, ref_logprobs_NR: Tensor | None, response_mask_NR: Tensor) -> Tensor:
    """`log pi(y) - log pi_ref(y)`, each a sum over the response's tokens.

    Source: DPO (2305.18290).

    Args:
        policy_logprobs_NR: in nats, with gradient.
        ref_logprobs_NR: of the frozen student.
        response_mask_NR: True at real tokens.

    Raises:
        ValueError: there is no reference.
    """
    if ref_logprobs_NR is None:
        raise ValueError("`log_ratio` needs ref_logprobs_NR")
    return (policy_logprobs_NR - ref_logprobs_NR).masked_fill(~response_mask_NR, 0.0).sum(dim=1)


def mean_logprob(policy_logprobs_NR: Tensor, ref_logprobs_NR: Tensor | None, response_mask_NR: Tensor) -> Tensor:
    """`log pi(y) / |y|`, so that a long response isn't worse for its length.

    Source: SimPO (2405.14734).

    Args:
        policy_logprobs_NR: in nats, with gradient.
        ref_logprobs_NR: not read.
        response_mask_NR: True at real tokens; a response without any has reward 0.
    """
    del ref_logprobs_NR
    sums_N = policy_logprobs_NR.masked_fill(~response_mask_NR, 0.0).sum(dim=1)
    return sums_N / response_mask_NR.sum(dim=1).clamp(min=1)


IMPLICIT_REWARDS: Mapping[str, ImplicitReward] = {"log_ratio": log_ratio, "mean_logprob": mean_logprob}


def preference_loss(
    preferred_rewards_N: Tensor, dispreferred_rewards_N: Tensor, *, margin: float, num_pairs: int
) -> Tensor:
    """`-log sigmoid(r_preferred - r_dispreferred - margin)`, summed over pairs and divided by their number.

    With DPO's rewards and no margin it is DPO's loss (2305.18290), with SimPO's rewards SimPO's (2405.14734).

    Args:
        preferred_rewards_N: of each pair's better response, scaled by beta.
        dispreferred_rewards_N: of the other one.
        margin: >= 0.
        num_pairs: denominator: pairs of the global batch. Micro-batches that share it add up to the loss of one large
            batch.
    """
    return softplus(margin - (preferred_rewards_N - dispreferred_rewards_N)).sum() / num_pairs


def preference_sums(
    preferred_rewards_N: Tensor, dispreferred_rewards_N: Tensor, preferred_logprobs_N: Tensor, other_logprobs_N: Tensor
) -> dict[str, Tensor]:
    """What pairs add to the batch's metrics, each a mean over pairs once it is divided by their number.

    Args:
        preferred_rewards_N: of each pair's better response, scaled by beta.
        dispreferred_rewards_N: of the other one.
        preferred_logprobs_N: of the better response, summed over its tokens, in nats.
        other_logprobs_N: of the other one.
    """
    margins_N = preferred_rewards_N - dispreferred_rewards_N
    return {
        "preference_accuracy": (margins_N > 0).double().sum(),
        "reward_margin": margins_N.sum(),
        "preferred_logprob": preferred_logprobs_N.sum(),
        "dispreferred_logprob": other_logprobs_N.sum(),
    }
