"""What the discriminator minimises: cross-entropy (the paper's) or Bradley-Terry.

Both take the same arguments, so that `DISC_LOSSES[name]` is called in one way; each says which denominators it reads.

Shapes: B rows (of any groups, students and teachers in any order); S and T pair index of the same rows.
Sign: logits are high for students, labels are 1 for students and 0 for teachers.
"""

from typing import Protocol

from torch import Tensor
from torch.nn.functional import softplus


class DiscLoss(Protocol):
    """The call that both losses share; counts are those of the whole global batch."""

    def __call__(
        self,
        disc_logits_student_is_high_B: Tensor,
        labels_student_is_one_B: Tensor,
        group_ids_B: Tensor,
        /,
        *,
        num_students: int,
        num_teachers: int,
        num_pairs: int,
    ) -> Tensor:
        """The loss of these rows, to be minimised."""


def bce_loss(
    disc_logits_student_is_high_B: Tensor,
    labels_student_is_one_B: Tensor,
    group_ids_B: Tensor | None = None,
    *,
    num_students: int,
    num_teachers: int,
    num_pairs: int | None = None,
) -> Tensor:
    """Mean of `-log D` over students plus mean of `-log(1 - D)` over teachers, `D = sigmoid(logit)`.

    Source: RIL (2510.19307), whose 1/N is both means where the sides have equal counts. A side weighs the same
    however many rows it has.

    Args:
        disc_logits_student_is_high_B: of student and teacher rows.
        labels_student_is_one_B: 1 or True for students, 0 or False for teachers.
        group_ids_B: not read.
        num_students: denominator of the student term: student rows of the global batch. Micro-batches that share the
            two denominators add up to the loss of one large batch.
        num_teachers: denominator of the teacher term.
        num_pairs: not read.

    Raises:
        ValueError: a denominator is not positive: one side alone teaches nothing.
    """
    if num_students <= 0 or num_teachers <= 0:
        raise ValueError(f"both sides need rows, got num_students={num_students} and num_teachers={num_teachers}")
    del group_ids_B, num_pairs
    is_student_B = labels_student_is_one_B > 0.5
    students = softplus(-disc_logits_student_is_high_B).masked_fill(~is_student_B, 0.0).sum()
    teachers = softplus(disc_logits_student_is_high_B).masked_fill(is_student_B, 0.0).sum()
    return students / num_students + teachers / num_teachers


def bradley_terry_loss(
    disc_logits_student_is_high_B: Tensor,
    labels_student_is_one_B: Tensor,
    group_ids_B: Tensor,
    *,
    num_students: int | None = None,
    num_teachers: int | None = None,
    num_pairs: int,
) -> Tensor:
    """Mean of `-log sigmoid(logit_student - logit_teacher)` over the student-teacher pairs of each group.

    Source: GAD (2511.10643), whose score is minus our logit. Adding a constant to all logits of a group changes
    nothing, so logits have no zero.

    Args:
        disc_logits_student_is_high_B: of student and teacher rows.
        labels_student_is_one_B: 1 or True for students, 0 or False for teachers.
        group_ids_B: integers; rows are compared only within a group, and a group must not be cut by micro-batches.
        num_students: not read.
        num_teachers: not read.
        num_pairs: denominator: `count_pairs` of the global batch. Micro-batches that share it add up to the loss of
            one large batch.

    Raises:
        ValueError: the denominator is not positive.
    """
    if num_pairs <= 0:
        raise ValueError(f"no student and teacher row share a group, got num_pairs={num_pairs}")
    del num_students, num_teachers
    margins_ST = disc_logits_student_is_high_B[:, None] - disc_logits_student_is_high_B[None, :]
    pairs_ST = _pairs(labels_student_is_one_B, group_ids_B)
    return softplus(-margins_ST).masked_fill(~pairs_ST, 0.0).sum() / num_pairs


def count_pairs(labels_student_is_one_B: Tensor, group_ids_B: Tensor) -> int:
    """Student-teacher pairs within groups; the sum over micro-batches is the global batch's."""
    return int(_pairs(labels_student_is_one_B, group_ids_B).sum())


DISC_LOSSES: dict[str, DiscLoss] = {"bce": bce_loss, "bradley-terry": bradley_terry_loss}


def _pairs(labels_student_is_one_B: Tensor, group_ids_B: Tensor) -> Tensor:
    is_student_B = labels_student_is_one_B > 0.5
    return (group_ids_B[:, None] == group_ids_B[None, :]) & is_student_B[:, None] & ~is_student_B[None, :]
