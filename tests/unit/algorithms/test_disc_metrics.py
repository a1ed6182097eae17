import math

import pytest
import torch

from rilctl.algorithms.disc_metrics import disc_metrics, length_only_accuracy

from . import reference

COUNTS = {"num_students", "num_teachers", "num_not_finite"}
NEED_NO_ZERO = COUNTS | {"auc", "margin"}
NEED_A_ZERO = {"student_accuracy", "teacher_accuracy", "balanced_accuracy", "calibration_error", "saturation"}


def test_by_hand():
    logits_B = torch.tensor([2.0, 0.0, -1.0, -6.0, 0.0])
    metrics = disc_metrics(logits_B, torch.tensor([1, 1, 1, 0, 0]))
    assert metrics["student_accuracy"] == pytest.approx(2 / 3, rel=1e-15)
    assert metrics["teacher_accuracy"] == 0.5
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2, rel=1e-15)
    assert metrics["auc"] == pytest.approx((2 + 1.5 + 1) / 6, rel=1e-15)
    assert metrics["margin"] == pytest.approx(1 / 3 + 3, rel=1e-15)
    assert metrics["saturation"] == 0.2
    assert (metrics["num_students"], metrics["num_teachers"], metrics["num_not_finite"]) == (3, 2, 0)
    # bins: D(2) = .88 alone, D(0) = .5 with one student of two, D(-1) = .27 alone, D(-6) = .002 alone
    sigmoid = lambda z: 1 / (1 + math.exp(-z))  # noqa: E731
    expected = ((1 - sigmoid(2)) + 0 + (1 - sigmoid(-1)) + sigmoid(-6)) / 5
    assert metrics["calibration_error"] == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_computed_is_absent():
    both = disc_metrics(torch.tensor([1.0, -1.0]), torch.tensor([1, 0]))
    assert both.keys() == NEED_NO_ZERO | NEED_A_ZERO
    only_teachers = disc_metrics(torch.tensor([1.0, -1.0]), torch.tensor([0, 0]))
    assert only_teachers.keys() == COUNTS | {"teacher_accuracy", "calibration_error", "saturation"}
    only_students = disc_metrics(torch.tensor([1.0, -1.0]), torch.tensor([1, 1]))
    assert only_students.keys() == COUNTS | {"student_accuracy", "calibration_error", "saturation"}
    assert disc_metrics(torch.zeros(0), torch.zeros(0)).keys() == COUNTS
    no_zero = disc_metrics(torch.tensor([1.0, -1.0]), torch.tensor([1, 0]), logits_have_zero=False)
    assert no_zero.keys() == NEED_NO_ZERO


def test_what_is_not_finite_is_counted_and_left_out():
    labels_B = torch.tensor([1, 0, 1, 0])
    with_some = disc_metrics(torch.tensor([1.0, -2.0, math.nan, math.inf]), labels_B)
    assert with_some == disc_metrics(torch.tensor([1.0, -2.0]), labels_B[:2]) | {"num_not_finite": 2.0}


def test_equals_the_reference():
    generator = torch.Generator().manual_seed(6)
    logits_B = 2 * torch.randn(200, generator=generator, dtype=torch.float64)
    logits_B[::7] = logits_B[0]
    labels_B = torch.rand(200, generator=generator) < 0.3
    students, teachers = logits_B[labels_B].tolist(), logits_B[~labels_B].tolist()
    metrics = disc_metrics(logits_B, labels_B)
    assert metrics["auc"] == pytest.approx(reference.auc(students, teachers), rel=1e-12)
    assert metrics["calibration_error"] == pytest.approx(reference.calibration_error(students, teachers), rel=1e-12)
    margin = math.fsum(students) / len(students) - math.fsum(teachers) / len(teachers)
    assert metrics["margin"] == pytest.approx(margin, rel=1e-12)


def test_length_only_by_hand():
    num_tokens_B, labels_B = torch.tensor([3, 4, 9, 5, 9, 10]), torch.tensor([1, 1, 1, 0, 0, 0])
    assert length_only_accuracy(num_tokens_B, labels_B) == pytest.approx((2 / 3 + 1) / 2, rel=1e-15)
    assert length_only_accuracy(num_tokens_B, 1 - labels_B) == pytest.approx((2 / 3 + 1) / 2, rel=1e-15)
    assert length_only_accuracy(torch.tensor([7, 7]), torch.tensor([1, 0])) == 0.5


def test_length_only_on_held_out_rows_can_be_worse_than_chance():
    fit = torch.tensor([3, 4, 5, 6]), torch.tensor([1, 1, 0, 0])
    assert length_only_accuracy(*fit, torch.tensor([4, 5]), torch.tensor([1, 0])) == 1.0
    assert length_only_accuracy(*fit, torch.tensor([4, 5]), torch.tensor([0, 1])) == 0.0


def test_length_only_equals_the_reference():
    generator = torch.Generator().manual_seed(7)
    for _ in range(30):
        lengths_B = torch.randint(1, 12, (24,), generator=generator)
        labels_B = (torch.rand(24, generator=generator) < 0.5).long()
        halves = [(lengths_B[part], labels_B[part]) for part in (slice(0, 12), slice(12, 24))]
        fit, held_out = [(n[y == 1].tolist(), n[y == 0].tolist()) for n, y in halves]
        got = length_only_accuracy(*halves[0], *halves[1])
        assert got == pytest.approx(reference.length_only_accuracy(fit, held_out), rel=1e-12)
        assert length_only_accuracy(*halves[0]) == pytest.approx(reference.length_only_accuracy(fit, fit), rel=1e-12)


def test_length_only_needs_both_sides():
    ones, both = torch.tensor([1, 1]), torch.tensor([1, 0])
    lengths_B = torch.tensor([3, 5])
    assert length_only_accuracy(lengths_B, ones) is None
    assert length_only_accuracy(lengths_B, 1 - ones) is None
    assert length_only_accuracy(lengths_B, both, lengths_B, ones) is None
    assert length_only_accuracy(lengths_B, both, torch.zeros(0), torch.zeros(0)) is None
