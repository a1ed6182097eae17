import math

import pytest
import torch

from rilctl.algorithms import head as head_module
from rilctl.algorithms.distillation import reverse_kl
from rilctl.algorithms.head import Head

from . import reference

BANNED = torch.tensor([1, 4, 7])
TEMPERATURE = 0.7


def random_case(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """hidden_TH, weight_VH, teacher_TK, teacher_VK, token_ids_T: T = 11, H = 3, K = 5; 8 ids, 7 for the teacher."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((11, 3), (8, 3), (11, 5), (7, 5))
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return *tensors, torch.tensor([0, 2, 3, 5, 6])[torch.randint(5, (11,), generator=generator)]


def plain(hidden_TH: torch.Tensor, weight_VH: torch.Tensor, teacher_TK: torch.Tensor, teacher_VK: torch.Tensor):
    """kl_T by the definition, all logits at once."""
    num_ids = min(len(weight_VH), len(teacher_VK))
    allowed = [at for at in range(num_ids) if at not in BANNED.tolist()]
    log_p_TV, log_q_TV = (
        torch.log_softmax((states @ weights[allowed].T) / TEMPERATURE, -1)
        for states, weights in ((hidden_TH, weight_VH), (teacher_TK, teacher_VK))
    )
    return (log_p_TV.exp() * (log_p_TV - log_q_TV)).sum(-1)


@pytest.fixture(params=[2**24, 42, 1])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "CHUNK_ELEMENTS", {"cpu": request.param})


def test_by_hand():
    logits = torch.log(torch.tensor([[1.0, 3.0]], dtype=torch.float64))
    teacher = torch.log(torch.tensor([[1.0, 1.0]], dtype=torch.float64))
    identity = torch.eye(2, dtype=torch.float64)
    found = reverse_kl(logits, teacher, torch.tensor([1]), Head(identity), identity, scale=0.5)
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert found.kl_T.item() == pytest.approx(expected, rel=1e-14)
    assert found.loss.item() == pytest.approx(expected / 2, rel=1e-14)
    assert found.teacher_entropy_T.item() == pytest.approx(math.log(2), rel=1e-14)
    assert found.entropy_T.item() == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-14)
    assert found.logprobs_T.item() == pytest.approx(math.log(0.75), rel=1e-14)


@pytest.mark.usefixtures("chunked")
def test_equals_the_reference():
    hidden_TH, weight_VH, teacher_TK, teacher_VK, ids_T = random_case()
    head = Head(weight_VH, TEMPERATURE, BANNED)
    found = reverse_kl(hidden_TH, teacher_TK, ids_T, head, teacher_VK, scale=0.1)
    own, theirs = (hidden_TH @ weight_VH.T).tolist(), (teacher_TK @ teacher_VK.T).tolist()
    for t in range(len(ids_T)):
        kl = reference.reverse_kl(own[t], theirs[t], TEMPERATURE, BANNED.tolist())
        assert found.kl_T[t].item() == pytest.approx(kl, abs=1e-12)
        banned = [*BANNED.tolist(), 7]
        assert found.teacher_entropy_T[t].item() == pytest.approx(
            reference.entropy(theirs[t], TEMPERATURE, BANNED.tolist()), abs=1e-12
        )
        assert found.entropy_T[t].item() == pytest.approx(reference.entropy(own[t], TEMPERATURE, banned), abs=1e-12)
        logprob = reference.token_logprob(own[t], int(ids_T[t]), TEMPERATURE, banned)
        assert found.logprobs_T[t].item() == pytest.approx(logprob, abs=1e-12)
        best = [max((i for i in range(7) if i not in banned), key=row[t].__getitem__) for row in (own, theirs)]
        assert found.agrees_T[t].item() == (best[0] == best[1])
    assert found.loss.item() == pytest.approx(0.1 * found.kl_T.sum().item(), rel=1e-14)
    assert 0 < found.agrees_T.sum() < len(ids_T)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("trained", ["both", "hidden", "weight"])
def test_gradient_equals_autograds_of_the_definition(trained: str):
    hidden_TH, weight_VH, teacher_TK, teacher_VK, ids_T = random_case()
    hidden_TH.requires_grad_(trained != "weight")
    weight_VH.requires_grad_(trained != "hidden")
    learned = [tensor for tensor in (hidden_TH, weight_VH) if tensor.requires_grad]
    expected = torch.autograd.grad(3 * 0.1 * plain(hidden_TH, weight_VH, teacher_TK, teacher_VK).sum(), learned)
    found = reverse_kl(hidden_TH, teacher_TK, ids_T, Head(weight_VH, TEMPERATURE, BANNED), teacher_VK, scale=0.1)
    assert not any(tensor.requires_grad for tensor in found[1:])
    (3 * found.loss).backward()
    for tensor, gradient in zip(learned, expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, rtol=1e-10, atol=1e-14)


def test_a_student_that_is_its_teacher_learns_nothing():
    hidden_TH, weight_VH, *_, ids_T = random_case()
    hidden_TH.requires_grad_()
    found = reverse_kl(hidden_TH, hidden_TH.detach(), ids_T, Head(weight_VH), weight_VH, scale=1.0)
    found.loss.backward()
    assert found.kl_T.eq(0).all() and found.agrees_T.eq(1).all()
    assert hidden_TH.grad.abs().max() < 1e-14


def test_nothing_is_kept_for_a_gradient_that_nobody_wants():
    hidden_TH, weight_VH, teacher_TK, teacher_VK, ids_T = random_case()
    with torch.no_grad():
        found = reverse_kl(hidden_TH.requires_grad_(), teacher_TK, ids_T, Head(weight_VH), teacher_VK, scale=1.0)
    assert not found.loss.requires_grad


def test_low_precision_gives_float32_and_gradients_of_the_inputs_dtype():
    hidden_TH, weight_VH, teacher_TK, teacher_VK, ids_T = random_case(torch.bfloat16)
    exact = [tensor.double().requires_grad_() for tensor in (hidden_TH, weight_VH)]
    expected = plain(*exact, teacher_TK.double(), teacher_VK.double()).sum()
    expected.backward()
    hidden_TH.requires_grad_()
    weight_VH.requires_grad_()
    found = reverse_kl(hidden_TH, teacher_TK, ids_T, Head(weight_VH, TEMPERATURE, BANNED), teacher_VK, scale=1.0)
    assert found.loss.dtype == torch.float32
    found.loss.backward()
    tolerance = 8 * torch.finfo(torch.bfloat16).eps  # logits and products are rounded
    assert found.loss.item() == pytest.approx(expected.item(), rel=tolerance)
    for tensor, wanted in zip((hidden_TH, weight_VH), exact, strict=True):
        assert tensor.grad.dtype == torch.bfloat16
        torch.testing.assert_close(tensor.grad.double(), wanted.grad, rtol=2 * tolerance, atol=2 * tolerance)


def test_no_tokens():
    _, weight_VH, _, teacher_VK, _ = random_case()
    hidden_TH = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    states_TK, ids_T = torch.zeros(0, 5, dtype=torch.float64), torch.zeros(0, dtype=torch.long)
    found = reverse_kl(hidden_TH, states_TK, ids_T, Head(weight_VH), teacher_VK, scale=1.0)
    found.loss.backward()
    assert found.loss.item() == 0 and hidden_TH.grad.shape == (0, 3)
