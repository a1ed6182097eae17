"""The loss token by token is the loss row by row."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rilctl.algorithms.batch_loss import BatchLoss, SamplerCut
from rilctl.algorithms.terms import Terms
from rilctl.config.algorithms import ALGORITHMS

ROWS = ("grpo", "gspo")
"""Algorithms in which a token's share depends on the length of its row, or on its other tokens."""
SUMS = tuple(name for name in ALGORITHMS if name not in ROWS)
SIX = (3, 5, 2, 1, 5, 4)


def loss_of(name: str, cut: SamplerCut | None = None, denominator: float = 60.0, **changes: Any) -> BatchLoss:
    """An algorithm's, with choices that a recipe may change."""
    record = ALGORITHMS[name]
    beta = changes.pop("kl_beta", record.kl_beta)
    own = ("clip_low", "clip_high", "ratio_level", "objective")
    choices: Any = {key: getattr(record, key) for key in own} | {"kl_rows": "student"}
    return BatchLoss(choices | changes, beta, record.loss_weighting, denominator, cut)


def terms_of(lengths: tuple[int, ...], cut: SamplerCut | None, updates: int, *, dtype: torch.dtype) -> Terms:
    """Rows of both sides, teachers at odd places; one without a reward, one whose advantage is 0."""
    places_N = torch.arange(len(lengths))
    columns_R = torch.arange(max(lengths, default=1))
    generator = torch.Generator().manual_seed(0)
    mask_NR = columns_R < torch.tensor(lengths)[:, None]
    ref_NR, frozen_NR = (-3 * torch.rand(mask_NR.shape, generator=generator, dtype=dtype) for _ in range(2))
    sampling_NR = -0.3 * (places_N[:, None] + columns_R)
    return Terms(
        frozen_NR=frozen_NR if updates > 1 else None,
        ref_NR=ref_NR,
        sampling_NR=None if cut is None else sampling_NR * mask_NR,
        advantages_N=(places_N - 3) / 2,
        mask_NR=mask_NR,
        teacher_N=places_N % 2 == 1,
        rewarded_N=places_N != 2,
    )


@pytest.mark.parametrize(
    ("name", "changes", "updates"),
    [
        ("ril", {"kl_rows": "all"}, 1),
        ("ril", {"kl_beta": 0.0}, 1),
        ("ril", {"objective": "clipped_weight"}, 1),
        *((name, {}, updates) for name in SUMS for updates in (1, 2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("cut", [None, SamplerCut("token", "truncate", 2.0), SamplerCut("token", "mask", 0.8)])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_sum_over_tokens_is_the_same_sum(
    name: str, changes: dict[str, Any], updates: int, cut: SamplerCut | None, size: int
) -> None:
    loss = loss_of(name, cut, **changes)
    terms = terms_of(SIX, cut, updates, dtype=torch.float64)
    if loss.kl_beta == 0:
        terms = replace(terms, ref_NR=None)
    logprobs_NR = -3 * torch.rand(terms.mask_NR.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert loss.is_sum_over_tokens
    whole = loss.of_rows(logprobs_NR.requires_grad_(), terms)
    assert ("student_mismatch_kl" in loss.sums(logprobs_NR, terms)) == (cut is not None)
    (expected_NR,) = torch.autograd.grad(whole, logprobs_NR)
    logprobs_T = logprobs_NR.detach()[terms.mask_NR].requires_grad_()
    of_tokens = loss.of_tokens(terms)
    chunks = [slice(start, start + size) for start in range(0, len(logprobs_T), size)]
    total = torch.stack([of_tokens(logprobs_T[chunk], chunk) for chunk in chunks]).sum()
    (grad_T,) = torch.autograd.grad(total, logprobs_T)
    assert total.item() == pytest.approx(whole.item(), rel=1e-12)
    torch.testing.assert_close(grad_T, expected_NR[terms.mask_NR], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("ril", {"ratio_level": "sequence"}), ("ril", {"kl_rows": "all"}), *((name, {}) for name in ALGORITHMS)],
    ids=str,
)
@pytest.mark.parametrize("cut", [None, SamplerCut("token", "truncate", 2.0), SamplerCut("sequence", "truncate", 2.0)])
@pytest.mark.parametrize("updates", [1, 2])
def test_no_rows_are_a_loss_of_0_with_a_gradient_and_nothing_to_log(
    name: str, changes: dict[str, Any], cut: SamplerCut | None, updates: int
) -> None:
    """What a rank computes while another one has a micro-batch more."""
    loss = loss_of(name, cut, 8.0, **changes)
    nothing = terms_of((), cut, updates, dtype=torch.float32)
    logprobs_NR = torch.zeros((0, 1)).requires_grad_()
    total = loss.of_rows(logprobs_NR, nothing)
    total.backward()
    assert total == 0 and logprobs_NR.grad is not None and logprobs_NR.grad.shape == (0, 1)
    if loss.is_sum_over_tokens:
        assert loss.of_tokens(nothing)(logprobs_NR[:, 0], slice(None)) == 0
    sums = loss.sums(logprobs_NR, nothing)
    assert all(value == 0 for value in sums.values())
    one = terms_of((2,), cut, updates, dtype=torch.float32)
    assert sums.keys() == loss.sums(torch.zeros((1, 2)), one).keys(), "ranks must log the same things"


@pytest.mark.parametrize(
    ("name", "changes"), [("ril", {"ratio_level": "sequence"}), *((name, {}) for name in ROWS)], ids=str
)
def test_rows_that_hang_together_are_no_sum_over_tokens(name: str, changes: dict[str, Any]) -> None:
    assert not loss_of(name, **changes).is_sum_over_tokens


def test_a_weight_for_a_whole_response_is_no_sum_over_tokens() -> None:
    cut = SamplerCut("sequence", "truncate", 1e9)
    loss = loss_of("ril", cut, 1.0, kl_beta=0.0)
    assert not loss.is_sum_over_tokens
    logprobs_NR = torch.full((2, 3), -1.0).requires_grad_()
    loss.of_rows(logprobs_NR, terms_of((3, 1), cut, 1, dtype=torch.float32)).backward()
    weight = torch.tensor(-3.0 + 0.3 * (0 + 1 + 2)).exp()
    grad_NR: Tensor | None = logprobs_NR.grad
    assert grad_NR is not None
    torch.testing.assert_close(grad_NR[0], torch.full((3,), 1.5 * weight.item()))  # advantage -1.5
    torch.testing.assert_close(grad_NR[1], torch.tensor([1.0, 0.0, 0.0]))  # a teacher's: weight 1
