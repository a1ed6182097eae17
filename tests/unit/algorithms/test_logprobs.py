import math
import weakref
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rilctl.algorithms import head as head_module
from rilctl.algorithms.head import Head
from rilctl.algorithms.logprobs import token_logprobs, token_loss

from . import reference

BANNED = torch.tensor([1, 4])


def random_case(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """hidden_TH, weight_VH, token_ids_T with T = 11, H = 3, V = 7; no id is banned."""
    generator = torch.Generator().manual_seed(0)
    hidden_TH = 2 * torch.randn(11, 3, generator=generator, dtype=torch.float64)
    weight_VH = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    token_ids_T = torch.tensor([0, 2, 3, 5, 6])[torch.randint(5, (11,), generator=generator)]
    return hidden_TH.to(dtype), weight_VH.to(dtype), token_ids_T


def plain(
    hidden_TH: torch.Tensor, weight_VH: torch.Tensor, ids_T: torch.Tensor, temperature: float, banned: bool
) -> torch.Tensor:
    logits_TV = hidden_TH @ weight_VH.T / temperature
    if banned:
        logits_TV = logits_TV.index_fill(-1, BANNED, -torch.inf)
    return torch.log_softmax(logits_TV, -1).gather(-1, ids_T[:, None])[:, 0]


@pytest.fixture(params=[2**24, 21, 1])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "CHUNK_ELEMENTS", {"cpu": request.param})


def test_by_hand():
    logits_TV = torch.tensor([[math.log(1.0), math.log(2.0), math.log(5.0)]], dtype=torch.float64)
    identity, ids_T = torch.eye(3, dtype=torch.float64), torch.tensor([1])
    assert token_logprobs(logits_TV, ids_T, Head(identity))[0].item() == pytest.approx(math.log(2 / 8), rel=1e-14)
    assert token_logprobs(logits_TV, ids_T, Head(identity, 0.5))[0].item() == pytest.approx(math.log(4 / 30), rel=1e-14)
    assert token_logprobs(logits_TV, ids_T, Head(identity, 1.0, torch.tensor([2])))[0].item() == pytest.approx(
        math.log(2 / 3), rel=1e-14
    )
    expected = -(math.log(1 / 8) / 8 + 2 * math.log(2 / 8) / 8 + 5 * math.log(5 / 8) / 8)
    assert token_logprobs(logits_TV, ids_T, Head(identity))[1].item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("banned", [None, BANNED])
def test_equals_the_reference(temperature, banned):
    hidden_TH, weight_VH, ids_T = random_case()
    banned_list = [] if banned is None else banned.tolist()
    head = Head(weight_VH, temperature, banned)
    got_T, entropy_T = token_logprobs(hidden_TH, ids_T, head)
    loss, again_T, entropy_again_T = token_loss(hidden_TH, ids_T, head, lambda logprobs_C, _: logprobs_C.sum())
    torch.testing.assert_close((again_T, entropy_again_T), (got_T, entropy_T), rtol=0, atol=0)
    assert loss.item() == pytest.approx(got_T.sum().item(), abs=1e-12)
    for t in range(len(ids_T)):
        row = (hidden_TH[t] @ weight_VH.T).tolist()
        expected = reference.token_logprob(row, int(ids_T[t]), temperature, banned_list)
        assert got_T[t].item() == pytest.approx(expected, abs=1e-12)
        assert entropy_T[t].item() == pytest.approx(reference.entropy(row, temperature, banned_list), abs=1e-12)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("banned", [None, BANNED])
def test_gradient(banned):
    hidden_TH, weight_VH, ids_T = random_case()
    assert torch.autograd.gradcheck(
        lambda hidden_TH, weight_VH: token_logprobs(hidden_TH, ids_T, Head(weight_VH, 0.7, banned))[0],
        (hidden_TH.requires_grad_(), weight_VH.requires_grad_()),
    )


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("trained", ["both", "hidden", "weight"])
def test_the_gradient_taken_on_the_way_forward(trained):
    factors_T = torch.linspace(-1.0, 2.0, 11, dtype=torch.float64)
    inputs = random_case()
    hidden_TH, weight_VH = (tensor.clone().requires_grad_() for tensor in inputs[:2])
    frozen_H, frozen_V = inputs[0], inputs[1]
    ids_T = inputs[2]
    loss = 3 * (factors_T * plain(hidden_TH, weight_VH, ids_T, 0.7, True).exp()).sum()
    expected = torch.autograd.grad(loss, (hidden_TH, weight_VH))

    def loss_of(logprobs_C: torch.Tensor, chunk: slice) -> torch.Tensor:
        return (factors_T[chunk] * logprobs_C.exp()).sum()

    own_TH = hidden_TH.detach().requires_grad_() if trained != "weight" else frozen_H
    own_VH = weight_VH.detach().requires_grad_() if trained != "hidden" else frozen_V
    ours, *rest = token_loss(own_TH, ids_T, Head(own_VH, 0.7, BANNED), loss_of)
    assert not any(tensor.requires_grad for tensor in rest)
    (3 * ours).backward()
    assert 3 * ours.item() == pytest.approx(loss.item(), rel=1e-12)
    for name, tensor, grad in (("hidden", own_TH, expected[0]), ("weight", own_VH, expected[1])):
        if trained in ("both", name):
            torch.testing.assert_close(tensor.grad, grad, rtol=1e-12, atol=1e-12)
        else:
            assert tensor.grad is None


def test_nothing_is_kept_for_a_gradient_that_nobody_wants():
    hidden_TH, weight_VH, ids_T = random_case()
    with torch.no_grad():
        loss, _, _ = token_loss(
            hidden_TH.requires_grad_(), ids_T, Head(weight_VH.requires_grad_()), lambda logprobs_C, _: logprobs_C.sum()
        )
    assert not loss.requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_gives_float32_and_gradients_of_the_inputs_dtype(dtype):
    hidden_TH, weight_VH, ids_T = random_case(dtype)
    exact = [tensor.double().requires_grad_() for tensor in (hidden_TH, weight_VH)]
    exact_T = plain(*exact, ids_T, 0.7, False)
    exact_T.sum().backward()
    hidden_TH.requires_grad_()
    weight_VH.requires_grad_()
    got_T, _ = token_logprobs(hidden_TH, ids_T, Head(weight_VH, 0.7))
    assert got_T.dtype == torch.float32
    got_T.sum().backward()
    tolerance = 8 * torch.finfo(dtype).eps  # logits, products and sums are rounded to `dtype`
    torch.testing.assert_close(got_T.double(), exact_T.detach(), rtol=tolerance, atol=tolerance)
    for tensor, wanted in zip((hidden_TH, weight_VH), exact, strict=True):
        assert tensor.grad.dtype == dtype
        torch.testing.assert_close(tensor.grad.double(), wanted.grad, rtol=2 * tolerance, atol=4 * tolerance)


def test_autocast_computes_in_its_precision_and_keeps_float32_gradients():
    hidden_TH, weight_VH, ids_T = (t.float() if t.is_floating_point() else t for t in random_case())
    weight_VH.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        got_T, _ = token_logprobs(hidden_TH, ids_T, Head(weight_VH))
        loss, _, _ = token_loss(hidden_TH, ids_T, Head(weight_VH), lambda logprobs_C, _: logprobs_C.sum())
    expected_T, _ = token_logprobs(hidden_TH.bfloat16(), ids_T, Head(weight_VH.detach().bfloat16()))
    torch.testing.assert_close(got_T.detach(), expected_T, rtol=0, atol=0)
    (through_logprobs,) = torch.autograd.grad(got_T.sum(), weight_VH)
    (on_the_way,) = torch.autograd.grad(loss, weight_VH)
    torch.testing.assert_close(on_the_way, through_logprobs, rtol=0, atol=0)
    assert on_the_way.dtype == torch.float32


def test_a_banned_token_is_impossible_and_harms_nothing():
    hidden_TH, weight_VH, ids_T = random_case()
    ids_T[0] = 1
    got_T, entropy_T = token_logprobs(hidden_TH.requires_grad_(), ids_T, Head(weight_VH, 1.0, BANNED))
    assert got_T[0].item() == -math.inf and got_T[1:].isfinite().all() and entropy_T.isfinite().all()
    got_T.sum().backward()
    assert hidden_TH.grad[0].eq(0).all() and hidden_TH.grad[1:].ne(0).all()


def test_no_tokens():
    hidden_TH = torch.zeros(0, 3, requires_grad=True)
    logprobs_T, entropy_T = token_logprobs(hidden_TH, torch.zeros(0, dtype=torch.long), Head(torch.zeros(7, 3)))
    assert logprobs_T.shape == entropy_T.shape == (0,)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature"):
        Head(torch.zeros(7, 3), temperature)


class LiveLogits(TorchDispatchMode):
    """Counts the tensors over the vocabulary that exist at a time, one reference for each storage."""

    def __init__(self, num_ids: int) -> None:
        super().__init__()
        self.most = 0
        self._num_ids = num_ids
        self._live: dict[int, weakref.ref[torch.Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **kwargs or {})
        if isinstance(out, torch.Tensor) and out.ndim == 2 and out.shape[1] == self._num_ids:
            self._live[out.untyped_storage().data_ptr()] = weakref.ref(out)
        self.most = max(self.most, sum(ref() is not None for ref in self._live.values()))
        return out


def test_a_chunk_of_logits_is_gone_before_the_next_is_made(monkeypatch: pytest.MonkeyPatch):
    num_ids = 50
    monkeypatch.setattr(head_module, "CHUNK_ELEMENTS", {"cpu": 4 * num_ids})
    hidden_TH, weight_VH = torch.randn(20, 8, requires_grad=True), torch.randn(num_ids, 8, requires_grad=True)
    with LiveLogits(num_ids) as live:
        token_loss(hidden_TH, torch.randint(num_ids, (20,)), Head(weight_VH), lambda logprobs_C, _: logprobs_C.sum())
    assert live.most == 2  # logits and their exponentials
