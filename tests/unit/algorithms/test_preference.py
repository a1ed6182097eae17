"""DPO and SimPO against formulas written anew in plain Python, as TRL documents them."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from rilctl.algorithms.preference import IMPLICIT_REWARDS, log_ratio, mean_logprob, preference_loss, preference_sums
from rilctl.config.preference import PREFERENCE_LOSSES

LENGTHS = ((3, 5), (1, 4), (6, 6), (2, 1))
"""Tokens of each pair's preferred response and of the other."""


def logprobs(seed: int) -> tuple[list[list[float]], Tensor, Tensor]:
    """Of both responses of each pair in turn: as lists, and padded with junk; the mask."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [length for pair in LENGTHS for length in pair]
    padded_NR = -torch.rand(len(lengths), max(lengths), generator=generator, dtype=torch.float64) * 4
    mask_NR = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return [row[mask].tolist() for row, mask in zip(padded_NR, mask_NR, strict=True)], padded_NR, mask_NR


def minus_log_sigmoid(value: float) -> float:
    return math.log1p(math.exp(-value))


def trl_dpo(policy: list[list[float]], ref: list[list[float]], beta: float) -> float:
    """`DPOTrainer`, `loss_type = "sigmoid"`: the log-ratios of the model minus those of the reference."""
    losses = []
    for place in range(0, len(policy), 2):
        model_logratio = sum(policy[place]) - sum(policy[place + 1])
        ref_logratio = sum(ref[place]) - sum(ref[place + 1])
        losses.append(minus_log_sigmoid(beta * (model_logratio - ref_logratio)))
    return sum(losses) / len(losses)


def trl_simpo(policy: list[list[float]], beta: float, simpo_gamma: float) -> float:
    """`CPOTrainer`, `loss_type = "simpo"`: average log-probabilities, and gamma / beta taken off their difference."""
    averages = [sum(row) / len(row) for row in policy]
    logits = [averages[place] - averages[place + 1] - simpo_gamma / beta for place in range(0, len(averages), 2)]
    return sum(minus_log_sigmoid(beta * logit) for logit in logits) / len(logits)


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo_is_trls(beta: float) -> None:
    policy, policy_NR, mask_NR = logprobs(0)
    ref, ref_NR, _ = logprobs(1)
    rewards_N = beta * log_ratio(policy_NR, ref_NR, mask_NR)
    loss = preference_loss(rewards_N[0::2], rewards_N[1::2], margin=0.0, num_pairs=len(LENGTHS))
    assert loss.item() == pytest.approx(trl_dpo(policy, ref, beta), rel=1e-12)


@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 1.0), (0.1, 0.5), (2.5, 0.0)])
def test_simpo_is_trls(beta: float, gamma: float) -> None:
    policy, policy_NR, mask_NR = logprobs(2)
    rewards_N = beta * mean_logprob(policy_NR, None, mask_NR)
    loss = preference_loss(rewards_N[0::2], rewards_N[1::2], margin=gamma, num_pairs=len(LENGTHS))
    assert loss.item() == pytest.approx(trl_simpo(policy, beta, gamma), rel=1e-12)


def test_a_student_that_hasnt_learned_yet_has_dpos_loss_of_log_2() -> None:
    _, policy_NR, mask_NR = logprobs(3)
    rewards_N = log_ratio(policy_NR, policy_NR.clone(), mask_NR)
    loss = preference_loss(rewards_N[0::2], rewards_N[1::2], margin=0.0, num_pairs=len(LENGTHS))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-12)


@pytest.mark.parametrize("name", sorted(PREFERENCE_LOSSES))
def test_the_gradient_raises_one_response_and_lowers_the_other_and_leaves_padding_alone(name: str) -> None:
    record = PREFERENCE_LOSSES[name]
    _, policy_NR, mask_NR = logprobs(4)
    policy_NR.requires_grad_()
    ref_NR = logprobs(5)[1] if record.uses_reference else None
    rewards_N = record.beta * IMPLICIT_REWARDS[record.reward](policy_NR, ref_NR, mask_NR)
    preference_loss(rewards_N[0::2], rewards_N[1::2], margin=record.margin, num_pairs=len(LENGTHS)).backward()
    assert policy_NR.grad is not None
    assert (policy_NR.grad[0::2][mask_NR[0::2]] < 0).all()
    assert (policy_NR.grad[1::2][mask_NR[1::2]] > 0).all()
    assert (policy_NR.grad[~mask_NR] == 0).all()


def test_micro_batches_add_up_to_one_large_batch() -> None:
    _, policy_NR, mask_NR = logprobs(6)
    rewards_N = mean_logprob(policy_NR, None, mask_NR)
    whole = preference_loss(rewards_N[0::2], rewards_N[1::2], margin=0.3, num_pairs=len(LENGTHS))
    parts = [
        preference_loss(rewards_N[start:end:2], rewards_N[start + 1 : end : 2], margin=0.3, num_pairs=len(LENGTHS))
        for start, end in pairwise((0, 2, 2, 8))  # one is empty
    ]
    assert sum(part.item() for part in parts) == pytest.approx(whole.item(), rel=1e-12)


def test_metrics_of_pairs_by_hand() -> None:
    sums = preference_sums(
        torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.5, 0.0, 3.0]), torch.tensor([-1.0]), torch.tensor([-2.0, -3.0])
    )
    assert {name: value.item() for name, value in sums.items()} == {
        "preference_accuracy": 1.0,  # equal rewards prefer nothing
        "reward_margin": -0.5,
        "preferred_logprob": -1.0,
        "dispreferred_logprob": -5.0,
    }


def test_dpo_without_a_reference_is_refused() -> None:
    _, policy_NR, mask_NR = logprobs(7)
    with pytest.raises(ValueError, match="ref_logprobs_NR"):
        log_ratio(policy_NR, None, mask_NR)


def test_every_loss_names_a_reward() -> None:
    assert {record.reward for record in PREFERENCE_LOSSES.values()} == IMPLICIT_REWARDS.keys()
