"""What the discriminator tells from what, and how much each of it weighs."""

import pytest
import torch
from torch import Tensor

from rilctl.algorithms.disc_loss import DISC_LOSSES, bce_loss, bradley_terry_loss
from rilctl.data.conversation import Conversation
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import DiscriminatorRow
from rilctl.stages.shared.labelled import LabelledRows, contests

ROW = DiscriminatorRow(Conversation.of("?"), "")
STUDENT, TEACHER, SWAPPED = "student", "teacher", "swapped"


def batch(*groups: list[str]) -> LabelledRows:
    """A swapped row's own is its group's first teacher."""
    kinds = [kind for group in groups for kind in group]
    own_of, start = {}, 0
    for group in groups:
        own_of |= {start + at: start + group.index(TEACHER) for at, kind in enumerate(group) if kind == SWAPPED}
        start += len(group)
    is_student = [kind != TEACHER for kind in kinds]
    ids = [number for number, group in enumerate(groups) for _ in group]
    return LabelledRows([ROW] * len(kinds), is_student, ids, own_of=own_of)


def loss(name: str, rows: LabelledRows, logits_N: Tensor, part: list[int] | None = None) -> Tensor:
    part = list(range(len(rows.rows))) if part is None else part
    sides = contests(rows, torch.device("cpu"), Ranks())
    return torch.stack([side.loss(DISC_LOSSES[name], logits_N[part], part) for side in sides]).mean()


def drawn(rows: LabelledRows) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(len(rows.rows), generator=generator, dtype=torch.float64, requires_grad=True)


def test_without_swapped_pictures_it_is_the_loss_to_the_last_bit() -> None:
    rows = batch([STUDENT, TEACHER], [STUDENT, STUDENT, TEACHER])
    logits_N = drawn(rows)
    labels_N, ids_N = torch.tensor([1.0, 0, 1, 1, 0]), torch.tensor([0, 0, 1, 1, 1])
    assert loss("bce", rows, logits_N) == bce_loss(logits_N, labels_N, num_students=3, num_teachers=2)
    assert loss("bradley-terry", rows, logits_N) == bradley_terry_loss(logits_N, labels_N, ids_N, num_pairs=3)


def test_bce_by_hand_students_and_swapped_pictures_share_one_side() -> None:
    rows = batch([STUDENT, TEACHER, SWAPPED], [STUDENT, STUDENT, TEACHER, SWAPPED, SWAPPED])
    logits_N = drawn(rows)
    as_student_N, as_teacher_N = -logits_N.sigmoid().log(), -(1 - logits_N.sigmoid()).log()
    expected = as_student_N[[0, 3, 4]].mean() / 2 + as_student_N[[2, 6, 7]].mean() / 2 + as_teacher_N[[1, 5]].mean()
    assert loss("bce", rows, logits_N).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("name", ["bce", "bradley-terry"])
def test_however_many_are_swapped_students_weigh_the_same(name: str) -> None:
    found = []
    for num_swapped in (1, 7):
        rows = batch([STUDENT, STUDENT, TEACHER, *[SWAPPED] * num_swapped])
        logits_N = torch.zeros(len(rows.rows), dtype=torch.float64, requires_grad=True)
        (gradient_N,) = torch.autograd.grad(loss(name, rows, logits_N), logits_N)
        found.append((gradient_N[:2].sum().item(), gradient_N[3:].sum().item(), gradient_N[2].item()))
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    students, swapped, teachers = found[0]
    assert students == pytest.approx(swapped, rel=1e-12) and teachers == pytest.approx(-2 * students, rel=1e-12)


@pytest.mark.parametrize("name", ["bce", "bradley-terry"])
def test_micro_batches_of_whole_groups_add_up(name: str) -> None:
    rows = batch([STUDENT, TEACHER, SWAPPED], [STUDENT, TEACHER], [STUDENT, STUDENT, TEACHER, TEACHER, SWAPPED])
    logits_N = drawn(rows)
    parts = sum(loss(name, rows, logits_N, part).item() for part in ([0, 1, 2], [3, 4], [5, 6, 7, 8, 9], []))
    assert parts == pytest.approx(loss(name, rows, logits_N).item(), rel=1e-12)


def test_what_is_beside_a_swapped_picture_is_told_from_the_teachers_own_apart() -> None:
    rows = LabelledRows([ROW] * 4, [True, False, True, True], [0] * 4, own_of={3: 1})
    assert rows.unswapped == [0, 1, 2]
    students, swapped = contests(rows, torch.device("cpu"), Ranks())
    assert (students.num_students, students.num_teachers, students.num_pairs) == (2, 1, 2)
    assert (swapped.num_students, swapped.num_teachers, swapped.num_pairs) == (1, 1, 1)
