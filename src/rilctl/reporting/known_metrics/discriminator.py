"""Of the discriminator, in `pretrain-disc` and in `train`."""

from dataclasses import replace

from rilctl.config.recipe import Verb
from rilctl.reporting.known_metrics.shared import BAD, NORM, WITH_DISC, in_room
from rilctl.reporting.metric import Metric

_DISC: tuple[Verb, ...] = ("train", "pretrain-disc")
_SHOWN = "where the input has pictures"
_HEALTH = (
    Metric("auc", "share", "pairs", "student-teacher pairs in the right order; 0.5 is guessing"),
    Metric("student_accuracy", "share", "student rows", "with logit ≥ 0; absent with `bradley-terry`", side="student"),
    Metric("teacher_accuracy", "share", "teacher rows", "with logit < 0; absent with `bradley-terry`", side="teacher"),
    Metric("balanced_accuracy", "share", "", "mean of the two; 0.5 is guessing"),
    Metric("margin", "logit", "", "mean student logit minus mean teacher logit"),
    Metric("calibration_error", "share", "rows", "expected over 15 bins; absent with `bradley-terry`"),
    Metric("saturation", "share", "rows", "with a logit beyond ±5, where little gradient is left"),
    Metric("num_students", "rows", "sum", "student rows with a finite logit", side="student"),
    Metric("num_teachers", "rows", "sum", "teacher rows with a finite logit", side="teacher"),
    Metric("num_not_finite", "rows", "sum", "without a finite logit"),
)
"""Of a discriminator, on rows that it hasn't learned."""

DISCRIMINATOR: tuple[Metric, ...] = (
    Metric("disc/loss", "nats", "", "of the discriminator's last update in the step", _DISC, bar=("pretrain-disc",)),
    *(
        replace(each, bar=("pretrain-disc",), headline=True) if each.name == "disc/auc" else each
        for each in in_room("disc/", _DISC, _HEALTH, WITH_DISC)
    ),
    Metric(
        "disc/length_only_accuracy",
        "share",
        "",
        "a rule that sees only the length, fitted on every other group and measured on the rest",
        when=WITH_DISC,
        headline=True,
    ),
    Metric("disc/grad_norm", "", "step", NORM, _DISC),
    Metric("disc/lr", "", "step", "learning rate", _DISC),
    Metric("disc/num_bad_steps", "steps", "run", BAD, _DISC),
    *in_room("held_out/", ("pretrain-disc",), _HEALTH),
    Metric(
        "held_out/length_only_accuracy",
        "share",
        "",
        "balanced accuracy of the best rule that sees only the length, fitted on the training questions",
        ("pretrain-disc",),
    ),
    Metric(
        "held_out/swap_auc",
        "share",
        "pairs",
        "a teacher's response has a higher logit beside another question's picture than its own; 0.5: it doesn't look",
        ("pretrain-disc",),
        side="teacher",
        when=_SHOWN,
    ),
    Metric(
        "held_out/swap_margin",
        "logit",
        "pairs",
        "mean difference of the two",
        ("pretrain-disc",),
        side="teacher",
        when=_SHOWN,
    ),
    Metric(
        "held_out/num_swapped",
        "rows",
        "sum",
        "teachers' responses that were scored beside both",
        ("pretrain-disc",),
        side="teacher",
        when=_SHOWN,
    ),
    Metric("held_out/num_questions", "questions", "sum", "that the discriminator never saw", ("pretrain-disc",)),
)
