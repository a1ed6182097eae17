import math

import pytest
import torch

from rilctl.algorithms import logprobs
from rilctl.algorithms.logprobs import entropy, token_logprobs

from . import reference

BANNED = torch.tensor([1, 4])


def random_case(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits_BRV = 3 * torch.randn(3, 5, 7, generator=generator, dtype=torch.float64)
    token_ids_BR = torch.tensor([0, 2, 3, 5, 6])[torch.randint(5, (3, 5), generator=generator)]
    return logits_BRV.to(dtype), token_ids_BR


def test_by_hand():
    logits_BRV = torch.tensor([[[math.log(1.0), math.log(2.0), math.log(5.0)]]], dtype=torch.float64)
    ids_BR = torch.tensor([[1]])
    assert token_logprobs(logits_BRV, ids_BR).item() == pytest.approx(math.log(2 / 8), rel=1e-14)
    assert token_logprobs(logits_BRV, ids_BR, 0.5).item() == pytest.approx(math.log(4 / 30), rel=1e-14)
    assert token_logprobs(logits_BRV, ids_BR, 1.0, torch.tensor([2])).item() == pytest.approx(
        math.log(2 / 3), rel=1e-14
    )
    expected = -(math.log(1 / 8) / 8 + 2 * math.log(2 / 8) / 8 + 5 * math.log(5 / 8) / 8)
    assert entropy(logits_BRV).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("banned", [None, BANNED])
@pytest.mark.parametrize("chunk_elements", [2**24, 45, 1])
def test_equals_the_reference(monkeypatch, temperature, banned, chunk_elements):
    monkeypatch.setattr(logprobs, "_CHUNK_ELEMENTS", chunk_elements)
    logits_BRV, ids_BR = random_case()
    banned_list = [] if banned is None else banned.tolist()
    got_BR = token_logprobs(logits_BRV, ids_BR, temperature, banned)
    got_entropy_BR = entropy(logits_BRV, temperature, banned)
    for b in range(3):
        for r in range(5):
            row = logits_BRV[b, r].tolist()
            expected = reference.token_logprob(row, int(ids_BR[b, r]), temperature, banned_list)
            assert got_BR[b, r].item() == pytest.approx(expected, abs=1e-12)
            expected = reference.entropy(row, temperature, banned_list)
            assert got_entropy_BR[b, r].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("chunk_elements", [2**24, 45])
def test_gradient(monkeypatch, chunk_elements):
    monkeypatch.setattr(logprobs, "_CHUNK_ELEMENTS", chunk_elements)
    logits_BRV, ids_BR = random_case()
    assert torch.autograd.gradcheck(
        lambda logits: token_logprobs(logits, ids_BR, 0.7, BANNED), logits_BRV.requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_logits_give_float32_and_a_gradient_of_their_own_dtype(dtype):
    logits_BRV, ids_BR = random_case(dtype)
    logits_BRV.requires_grad_()
    got_BR = token_logprobs(logits_BRV, ids_BR, 0.7)
    assert got_BR.dtype == torch.float32
    exact_BR = token_logprobs(logits_BRV.detach().double(), ids_BR, 0.7)
    torch.testing.assert_close(got_BR.double(), exact_BR, rtol=1e-5, atol=1e-6)
    got_BR.sum().backward()
    naive_BRV = logits_BRV.detach().clone().requires_grad_()
    torch.log_softmax(naive_BRV.float() / 0.7, dim=-1).gather(-1, ids_BR[..., None]).sum().backward()
    assert logits_BRV.grad.dtype == dtype
    # two roundings to `dtype` of values that agree in float32
    torch.testing.assert_close(logits_BRV.grad, naive_BRV.grad, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


def test_banned_token_is_impossible_and_harms_nothing_where_it_is_masked():
    logits_BRV, ids_BR = random_case()
    ids_BR[0, 0] = 1
    logits_BRV.requires_grad_()
    got_BR = token_logprobs(logits_BRV, ids_BR, 1.0, BANNED)
    assert got_BR[0, 0].item() == -math.inf
    got_BR.masked_fill(got_BR.isinf(), 0.0).sum().backward()
    assert logits_BRV.grad[0, 0].eq(0).all()
    assert logits_BRV.grad[..., BANNED].eq(0).all()
    assert logits_BRV.grad[1].ne(0).any()
    (grad_BRV,) = torch.autograd.grad(token_logprobs(logits_BRV, ids_BR, 1.0, BANNED).sum(), logits_BRV)
    assert grad_BRV[..., BANNED].eq(0).all()
    assert entropy(logits_BRV, 1.0, BANNED).isfinite().all()


def test_reads_a_slice_of_the_logits_and_leaves_them_alone():
    logits_BRV, ids_BR = random_case()
    before_BRV = logits_BRV.clone()
    got_BR = token_logprobs(logits_BRV[:, 1:-1], ids_BR[:, 1:-1], 0.7, BANNED)
    entropy(logits_BRV, 0.7, BANNED)
    torch.testing.assert_close(got_BR, token_logprobs(logits_BRV, ids_BR, 0.7, BANNED)[:, 1:-1], rtol=0, atol=0)
    assert logits_BRV.equal(before_BRV)


def test_no_tokens():
    assert token_logprobs(torch.zeros(2, 0, 5), torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_positive(temperature):
    logits_BRV, ids_BR = random_case()
    with pytest.raises(ValueError, match="temperature"):
        token_logprobs(logits_BRV, ids_BR, temperature)
    with pytest.raises(ValueError, match="temperature"):
        entropy(logits_BRV, temperature)
