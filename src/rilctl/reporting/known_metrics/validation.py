"""Of held-out questions."""

from dataclasses import replace
from typing import get_args

from rilctl.config.fields import OtherPicture
from rilctl.reporting.metric import Metric, Panel

_BESIDE = "with `validation_picture` and held-out questions"
_PICTURES = (
    Metric("validation/accuracy_PICTURE", "share", "questions", "the accuracy beside that picture", side="student"),
    Metric(
        "validation/gap_PICTURE", "share", "questions", "by how much it is lower than beside their own", side="student"
    ),
    Metric("validation/gap_PICTURE_low", "share", "questions", "lower end of its paired 95 % interval", side="student"),
    Metric("validation/gap_PICTURE_high", "share", "questions", "upper end", side="student"),
)
"""Of held-out questions beside another picture than their own."""

VALIDATION: tuple[Metric, ...] = (
    Metric(
        "validation/accuracy",
        "share",
        "questions",
        "answered right by greedy decoding, among held-out ones with a verdict; absent where too many have none",
        ("sft", "train"),
        side="student",
        when="with held-out questions",
        bar=("sft", "train"),
        headline=True,
        panel=Panel(3, "accuracy", "held-out questions answered right", ("validation/low", "validation/high")),
    ),
    Metric(
        "validation/low",
        "share",
        "questions",
        "lower end of its 95 % interval (Wilson)",
        ("sft", "train"),
        side="student",
        when="with held-out questions",
        headline=True,
    ),
    Metric(
        "validation/high",
        "share",
        "questions",
        "upper end",
        ("sft", "train"),
        side="student",
        when="with held-out questions",
        headline=True,
    ),
    *(
        replace(metric, name=metric.name.replace("PICTURE", picture), verbs=("sft", "train"), when=_BESIDE)
        for picture in get_args(OtherPicture)
        for metric in _PICTURES
    ),
    Metric("validation/missing_share", "share", "questions", "without a verdict", when="with held-out questions"),
)
