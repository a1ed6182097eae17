"""The objective token by token is the objective row by row."""

import pytest
import torch

from rilctl.config.train import AlgorithmConfig
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
            reward=None if index == 2 else 1.0,
            advantage=(index - 3) / 2,
        )
        for index, length in enumerate(lengths)
    ]
    sample = Sample(id="a", question="", images=(), answer="", response="")
    mask_NR = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return MicroBatch([Group(sample, None, rows)], torch.zeros(len(rows)), mask_NR.long(), mask_NR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{}, {"kl_rows": "all"}, {"teacher_rows": "shaped"}, {"kl_beta": 0.0}, {"policy_updates": 2}, {"name": "gail"}],
    ids=str,
)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_sum_over_tokens_is_the_same_sum(changes, size):
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
    )
    assert objective.is_sum_over_tokens
    loss, _ = objective.loss(logprobs_NR.requires_grad_())
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
