"""The objective token by token is the objective row by row."""

import pytest
import torch

from rilctl.config.train import AlgorithmConfig, SamplerCorrectionConfig
from rilctl.data.sample import Sample
from rilctl.stages.ril.objective import MicroBatch, Objective
from rilctl.stages.ril.rows import Group, Row


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
    sample = Sample(id="a", question="", images=(), answer="", response="")
    mask_NR = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return MicroBatch([Group(0, sample, None, rows)], torch.zeros(len(rows)), mask_NR.long(), mask_NR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{}, {"kl_rows": "all"}, {"teacher_rows": "shaped"}, {"kl_beta": 0.0}, {"policy_updates": 2}, {"name": "gail"}],
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
    loss, metrics = objective.loss(logprobs_NR.requires_grad_())
    assert ("student_mismatch_kl" in metrics) == (correction is not None)
    (expected_NR,) = torch.autograd.grad(loss, logprobs_NR)
    logprobs_T = logprobs_NR.detach()[part.mask_NR].requires_grad_()
    chunks = [slice(start, start + size) for start in range(0, len(logprobs_T), size)]
    total = sum(objective.token_loss(logprobs_T[chunk], chunk) for chunk in chunks)
    (grad_T,) = torch.autograd.grad(total, logprobs_T)
    assert total.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(grad_T, expected_NR[part.mask_NR], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("changes", [{"ratio_level": "sequence"}, {"name": "grpo"}], ids=str)
def test_rows_that_hang_together_are_no_sum_over_tokens(changes):
    objective = Objective(AlgorithmConfig(**changes), micro_batch([1, 2]), None, None, denominator=1.0)
    assert not objective.is_sum_over_tokens


def test_a_weight_for_a_whole_response_is_no_sum_over_tokens():
    correction = SamplerCorrectionConfig(level="sequence", cap=1e9)
    objective = Objective(AlgorithmConfig(kl_beta=0.0), micro_batch([3, 1]), None, None, 1.0, correction)
    assert not objective.is_sum_over_tokens
    logprobs_NR = torch.full((2, 3), -1.0).requires_grad_()
    objective.loss(logprobs_NR)[0].backward()
    weight = torch.tensor(-3.0 + 0.3 * (0 + 1 + 2)).exp()
    torch.testing.assert_close(logprobs_NR.grad[0], torch.full((3,), 1.5 * weight.item()))  # advantage -1.5
    torch.testing.assert_close(logprobs_NR.grad[1], torch.tensor([1.0, 0.0, 0.0]))  # a teacher's: weight 1
