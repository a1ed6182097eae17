"""The objective token by token is the objective row by row."""

import dataclasses

import pytest
import torch

from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.train import AlgorithmConfig, SamplerCorrectionConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.stages.train.objective import MicroBatch, Objective
from rilctl.stages.train.rows import Group, Row

ROWS = ("grpo", "gspo")
"""Algorithms in which a token's share depends on the length of its row, or on its other tokens."""
SUMS = tuple(name for name in ALGORITHMS if name not in ROWS)


def micro_batch(lengths: list[int]) -> MicroBatch:
    """Rows of both sides; one without a reward, one whose advantage is 0."""
    rows = [
        Row(
            "teacher" if index % 2 else "student",
            "someone",
            "",
            tuple(range(length)),
            "stop",
            sampling_logprobs=None if index % 2 else tuple(-0.3 * (index + token) for token in range(length)),
            reward=None if index == 2 else 1.0,
            advantage=(index - 3) / 2,
        )
        for index, length in enumerate(lengths)
    ]
    sample = Sample(id="a", conversation=Conversation.of(""), answer="", response="")
    mask_NR = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return MicroBatch([Group(0, sample, None, tuple(rows))], torch.zeros(len(rows)), mask_NR.long(), mask_NR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        *({"kl_rows": "all"}, {"teacher_rows": "shaped"}, {"kl_beta": 0.0}, {"policy_updates": 2}),
        *({"name": name, "policy_updates": updates} for name in SUMS for updates in (1, 2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("correction", [None, SamplerCorrectionConfig(), SamplerCorrectionConfig(mode="mask", cap=0.8)])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_sum_over_tokens_is_the_same_sum(changes, correction, size):
    part = micro_batch([3, 5, 2, 1, 5, 4])
    algorithm = AlgorithmConfig(**changes)
    generator = torch.Generator().manual_seed(0)
    ref_NR, frozen_NR, logprobs_NR = (
        -3 * torch.rand(part.mask_NR.shape, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    objective = Objective(
        algorithm,
        part,
        ref_NR if algorithm.kl_beta else None,
        frozen_NR if algorithm.policy_updates > 1 else None,
        denominator=60.0,
        correction=correction,
    )
    assert objective.is_sum_over_tokens
    loss = objective.loss(logprobs_NR.requires_grad_())
    assert ("student_mismatch_kl" in objective.sums(logprobs_NR)) == (correction is not None)
    (expected_NR,) = torch.autograd.grad(loss, logprobs_NR)
    logprobs_T = logprobs_NR.detach()[part.mask_NR].requires_grad_()
    chunks = [slice(start, start + size) for start in range(0, len(logprobs_T), size)]
    total = sum(objective.token_loss(logprobs_T[chunk], chunk) for chunk in chunks)
    (grad_T,) = torch.autograd.grad(total, logprobs_T)
    assert total.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(grad_T, expected_NR[part.mask_NR], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "changes",
    [{"ratio_level": "sequence"}, {"kl_rows": "all"}, *({"name": name} for name in ALGORITHMS)],
    ids=str,
)
@pytest.mark.parametrize("correction", [None, SamplerCorrectionConfig(), SamplerCorrectionConfig(level="sequence")])
@pytest.mark.parametrize("updates", [1, 2])
def test_no_rows_are_a_loss_of_0_with_a_gradient_and_nothing_to_log(changes, correction, updates):
    """What a rank computes while another one has a micro-batch more."""
    nothing = torch.zeros((0, 1))
    part = MicroBatch([], torch.zeros(0, dtype=torch.long), nothing.long(), nothing.bool())
    frozen_NR = nothing if updates > 1 else None
    objective = Objective(AlgorithmConfig(**changes, policy_updates=updates), part, nothing, frozen_NR, 8.0, correction)
    logprobs_NR = nothing.clone().requires_grad_()
    objective.loss(logprobs_NR).backward()
    assert objective.loss(logprobs_NR) == 0 and logprobs_NR.grad.shape == (0, 1)
    if objective.is_sum_over_tokens:
        assert objective.token_loss(logprobs_NR[:, 0], slice(None)) == 0
    sums = objective.sums(logprobs_NR)
    assert all(value == 0 for value in sums.values())
    token = torch.zeros((1, 2))
    full = dataclasses.replace(
        objective,
        part=micro_batch([2]),
        ref_logprobs_NR=token,
        frozen_logprobs_NR=token if updates > 1 else None,
    )
    assert sums.keys() == full.sums(token).keys(), "ranks must log the same things"


@pytest.mark.parametrize("changes", [{"ratio_level": "sequence"}, *({"name": name} for name in ROWS)], ids=str)
def test_rows_that_hang_together_are_no_sum_over_tokens(changes):
    objective = Objective(AlgorithmConfig(**changes), micro_batch([1, 2]), None, None, denominator=1.0)
    assert not objective.is_sum_over_tokens


def test_a_weight_for_a_whole_response_is_no_sum_over_tokens():
    correction = SamplerCorrectionConfig(level="sequence", cap=1e9)
    objective = Objective(AlgorithmConfig(kl_beta=0.0), micro_batch([3, 1]), None, None, 1.0, correction)
    assert not objective.is_sum_over_tokens
    logprobs_NR = torch.full((2, 3), -1.0).requires_grad_()
    objective.loss(logprobs_NR).backward()
    weight = torch.tensor(-3.0 + 0.3 * (0 + 1 + 2)).exp()
    torch.testing.assert_close(logprobs_NR.grad[0], torch.full((3,), 1.5 * weight.item()))  # advantage -1.5
    torch.testing.assert_close(logprobs_NR.grad[1], torch.tensor([1.0, 0.0, 0.0]))  # a teacher's: weight 1
