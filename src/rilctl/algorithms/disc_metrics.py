"""The discriminator's health, from logits of rows that it has not learned from.

Prequential: the logits of an update's first forward. A metric that could not be computed is absent, never invented.

Shapes: B rows, S student rows, T teacher rows, U distinct lengths.
Sign: logits are high for students, labels are 1 for students and 0 for teachers; student-like means logit >= 0.
"""

import torch
from torch import Tensor

NUM_CALIBRATION_BINS = 15
"""Equal-width bins of D = sigmoid(logit), as in Guo et al. (1706.04599)."""
SATURATION_LOGIT = 5.0
"""Beyond it D is outside [0.0067, 0.9933], and a row on the right side has less than 1 % of a full gradient."""


@torch.no_grad()
def disc_metrics(
    disc_logits_student_is_high_B: Tensor, labels_student_is_one_B: Tensor, *, logits_have_zero: bool = True
) -> dict[str, float]:
    """Accuracy of each side, AUC, calibration error, margin, saturation: plain floats, computed in float64.

    Args:
        disc_logits_student_is_high_B: of fresh rows; one that isn't finite leaves all metrics and is counted.
        labels_student_is_one_B: 1 or True for students, 0 or False for teachers.
        logits_have_zero: False for a Bradley-Terry discriminator, whose logits mean something only within a group:
            what compares them with 0 is then absent.

    Returns:
        Always `num_students`, `num_teachers`, `num_not_finite`. With both sides `auc` (share of student-teacher pairs
        whose student has the higher logit, ties half) and `margin` (mean student logit - mean teacher logit).
        If logits have a zero, `student_accuracy` (share of students with logit >= 0), `teacher_accuracy` (share of
        teachers with logit < 0), their mean `balanced_accuracy`, `calibration_error` (expected, over 15 bins: mean
        over rows of their bin's |mean D - share of students|) and `saturation` (share of rows with |logit| > 5).
    """
    known_B = disc_logits_student_is_high_B.isfinite()
    logits_B, is_student_B = disc_logits_student_is_high_B[known_B].double(), labels_student_is_one_B[known_B] > 0.5
    students_S, teachers_T = logits_B[is_student_B], logits_B[~is_student_B]
    metrics = {
        "num_students": float(students_S.numel()),
        "num_teachers": float(teachers_T.numel()),
        "num_not_finite": float((~known_B).sum()),
    }
    both_sides = students_S.numel() > 0 and teachers_T.numel() > 0
    if both_sides:
        metrics["auc"] = _auc(students_S, teachers_T)
        metrics["margin"] = float(students_S.mean() - teachers_T.mean())
    if not logits_have_zero:
        return metrics
    if students_S.numel():
        metrics["student_accuracy"] = float((students_S >= 0).double().mean())
    if teachers_T.numel():
        metrics["teacher_accuracy"] = float((teachers_T < 0).double().mean())
    if both_sides:
        metrics["balanced_accuracy"] = (metrics["student_accuracy"] + metrics["teacher_accuracy"]) / 2
    if logits_B.numel():
        metrics["calibration_error"] = _calibration_error(logits_B.sigmoid(), is_student_B)
        metrics["saturation"] = float((logits_B.abs() > SATURATION_LOGIT).double().mean())
    return metrics


@torch.no_grad()
def length_only_accuracy(
    num_tokens_B: Tensor,
    labels_student_is_one_B: Tensor,
    eval_num_tokens_B: Tensor | None = None,
    eval_labels_student_is_one_B: Tensor | None = None,
) -> float | None:
    """Balanced accuracy (mean over the sides) of the best rule that sees only how long a response is.

    The rule is a threshold, midway between neighbouring lengths (the lowest of equally good ones), and a side for what
    is above it. A discriminator that is no better has learned length.

    Args:
        num_tokens_B: response lengths that the rule is fitted on.
        labels_student_is_one_B: 1 or True for students, 0 or False for teachers.
        eval_num_tokens_B: lengths that it is evaluated on; None: where it was fitted, which flatters it.
        eval_labels_student_is_one_B: labels of those.

    Returns:
        In [0, 1], or None where a side has no row.
    """
    if eval_num_tokens_B is None or eval_labels_student_is_one_B is None:
        eval_num_tokens_B, eval_labels_student_is_one_B = num_tokens_B, labels_student_is_one_B
    for labels_B in (labels_student_is_one_B > 0.5, eval_labels_student_is_one_B > 0.5):
        if labels_B.all() or not labels_B.any():
            return None
    lengths_U = torch.unique(num_tokens_B.double())
    thresholds_U = torch.cat([(lengths_U[:-1] + lengths_U[1:]) / 2, lengths_U[-1:]])
    lead_U, _ = _lead_if_students_are_longer(num_tokens_B, labels_student_is_one_B, thresholds_U)
    best = int(lead_U.abs().argmax())
    eval_lead_U, num_pairs = _lead_if_students_are_longer(eval_num_tokens_B, eval_labels_student_is_one_B, thresholds_U)
    lead = int(eval_lead_U[best]) if lead_U[best] >= 0 else -int(eval_lead_U[best])
    return 0.5 + lead / (2 * num_pairs)


def _lead_if_students_are_longer(num_tokens_B: Tensor, labels_B: Tensor, thresholds_U: Tensor) -> tuple[Tensor, int]:
    """How far each threshold's balanced accuracy is above 1/2, in units of 1 / (2 num_pairs), and num_pairs."""
    sorted_S = num_tokens_B[labels_B > 0.5].double().sort().values
    sorted_T = num_tokens_B[labels_B <= 0.5].double().sort().values
    students_below_U = torch.searchsorted(sorted_S, thresholds_U, right=True)
    teachers_below_U = torch.searchsorted(sorted_T, thresholds_U, right=True)
    lead_U = teachers_below_U * sorted_S.numel() - students_below_U * sorted_T.numel()
    return lead_U, sorted_S.numel() * sorted_T.numel()


def _auc(students_S: Tensor, teachers_T: Tensor) -> float:
    """Share of pairs whose teacher is below the student, ties half (Mann-Whitney)."""
    sorted_T = teachers_T.sort().values
    below_S, not_above_S = (torch.searchsorted(sorted_T, students_S, right=right) for right in (False, True))
    return float((below_S + not_above_S).double().mean() / 2 / sorted_T.numel())


def _calibration_error(disc_B: Tensor, is_student_B: Tensor) -> float:
    bins_B = (disc_B * NUM_CALIBRATION_BINS).long().clamp(max=NUM_CALIBRATION_BINS - 1)
    gaps = torch.zeros(NUM_CALIBRATION_BINS, dtype=torch.float64, device=disc_B.device)
    gaps.index_add_(0, bins_B, disc_B - is_student_B.double())
    return float(gaps.abs().sum() / disc_B.numel())
