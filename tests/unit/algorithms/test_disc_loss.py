import math

import pytest
import torch

from rilctl.algorithms.disc_loss import DISC_LOSSES, bce_loss, bradley_terry_loss, count_pairs

from . import reference

LABELS = torch.tensor([1.0, 0.0])
ONE_GROUP = torch.tensor([0, 0])


def random_rows(num_rows=30, num_groups=4, seed=5):
    generator = torch.Generator().manual_seed(seed)
    logits_B = 4 * torch.randn(num_rows, generator=generator, dtype=torch.float64)
    labels_B = (torch.rand(num_rows, generator=generator) < 0.4).double()
    return logits_B, labels_B, torch.randint(num_groups, (num_rows,), generator=generator)


def test_bce_by_hand_pushes_students_up_and_teachers_down():
    logits_B = torch.tensor([math.log(3.0), math.log(4.0)], dtype=torch.float64, requires_grad=True)
    loss = bce_loss(logits_B, LABELS, num_students=2, num_teachers=1)
    assert loss.item() == pytest.approx(-math.log(3 / 4) / 2 - math.log(1 / 5), rel=1e-14)
    loss.backward()
    assert logits_B.grad.tolist() == pytest.approx([-(1 / 4) / 2, 4 / 5], rel=1e-14)


def test_bradley_terry_by_hand_pushes_them_apart():
    logits_B = torch.tensor([10.0 + math.log(3.0), 10.0], dtype=torch.float64, requires_grad=True)
    loss = bradley_terry_loss(logits_B, LABELS, ONE_GROUP, num_pairs=1)
    assert loss.item() == pytest.approx(-math.log(3 / 4), rel=1e-14)
    loss.backward()
    assert logits_B.grad.tolist() == pytest.approx([-1 / 4, 1 / 4], rel=1e-14)


def test_bradley_terry_compares_only_within_groups():
    logits_B = torch.tensor([5.0, -5.0, 7.0, -7.0], dtype=torch.float64)
    labels_B, groups_B = torch.tensor([1, 0, 1, 1]), torch.tensor([0, 0, 1, 1])
    assert count_pairs(labels_B, groups_B) == 1
    loss = bradley_terry_loss(logits_B, labels_B, groups_B, num_pairs=1)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-10)), rel=1e-12)


def test_extreme_logits_stay_finite():
    logits_B = torch.tensor([-2000.0, 2000.0], requires_grad=True)
    for loss_function in DISC_LOSSES.values():
        loss = loss_function(logits_B, LABELS, ONE_GROUP, num_students=1, num_teachers=1, num_pairs=1)
        assert loss.item() == 4000.0
        (grad_B,) = torch.autograd.grad(loss, logits_B)
        assert grad_B.tolist() == [-1.0, 1.0]


def test_equals_the_reference():
    logits_B, labels_B, groups_B = random_rows()
    students, teachers = logits_B[labels_B == 1].tolist(), logits_B[labels_B == 0].tolist()
    groups = [tuple(logits_B[(groups_B == g) & (labels_B == label)].tolist() for label in (1, 0)) for g in range(4)]
    num_pairs = count_pairs(labels_B, groups_B)
    assert num_pairs == sum(len(s) * len(t) for s, t in groups)
    counts = {"num_students": len(students), "num_teachers": len(teachers), "num_pairs": num_pairs}
    bce = DISC_LOSSES["bce"](logits_B, labels_B, groups_B, **counts)
    assert bce.item() == pytest.approx(reference.bce_loss(students, teachers), rel=1e-12)
    bradley_terry = DISC_LOSSES["bradley-terry"](logits_B, labels_B, groups_B, **counts)
    assert bradley_terry.item() == pytest.approx(reference.bradley_terry_loss(groups), rel=1e-12)


@pytest.mark.parametrize("name", ["bce", "bradley-terry"])
def test_gradient(name):
    logits_B, labels_B, groups_B = random_rows(num_rows=9)
    counts = {"num_students": 3, "num_teachers": 6, "num_pairs": 7}
    function = lambda logits: DISC_LOSSES[name](logits, labels_B, groups_B, **counts)  # noqa: E731
    assert torch.autograd.gradcheck(function, logits_B.requires_grad_())


def test_an_empty_side_is_refused():
    logits_B = torch.zeros(2)
    for counts in ((0, 2), (2, 0)):
        with pytest.raises(ValueError, match="both sides"):
            bce_loss(logits_B, LABELS, num_students=counts[0], num_teachers=counts[1])
    with pytest.raises(ValueError, match="share a group"):
        bradley_terry_loss(logits_B, LABELS, torch.tensor([0, 1]), num_pairs=0)
