"""The algorithms of `train`: one record each, in one table.

A new one is an entry of `ALGORITHMS` and, where it is made of something new, one pure function in a table of
`rilctl.algorithms`, which its entry names. Nothing else knows algorithms by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

RatioLevel = Literal["token", "sequence"]
TeacherRows = Literal["plain", "off"]
LossName = Literal["rewards", "distillation", "sft"]
"""A part of a loss: a file of `rilctl.stages.train.losses` each."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """What an algorithm is made of; what its entry doesn't say is Dr.GRPO's.

    Args:
        about: one line for a person.
        rewards: names of the rewards that it sums; none where it doesn't learn from any.
        losses: the parts of its loss. What follows is of `rewards` alone.
        advantage: of `rilctl.algorithms.advantages.ADVANTAGES`.
        objective: of `rilctl.algorithms.loss_parts.OBJECTIVES`.
        loss_weighting: of `rilctl.algorithms.loss_parts.WEIGHTINGS`; `token` is a sum over tokens.
        denominator: of `rilctl.algorithms.loss_parts.DENOMINATORS`.
        ratio_level: importance ratio of each token, or of each response. A recipe may say another; so may it of all
            that follows.
        clip_low: the ratio's lower bound is 1 - clip_low.
        clip_high: its upper bound is 1 + clip_high.
        kl_beta: weight of the KL to the reference; 0: there is none.
        teacher_rows: how teacher rows take part in the policy's group; `off`: it has none, whatever the recipe says.
    """

    about: str
    rewards: tuple[str, ...]
    losses: tuple[LossName, ...] = ("rewards",)
    advantage: str = "dr_grpo"
    objective: str = "clipped_ratio"
    loss_weighting: str = "token"
    denominator: str = "budget"
    ratio_level: RatioLevel = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_beta: float = 0.01
    teacher_rows: TeacherRows = "off"


ALGORITHMS: Mapping[str, Algorithm] = {
    "ril": Algorithm(
        about="RIL (2510.19307): be right, and pass for a teacher",
        rewards=("similarity", "answer"),
        teacher_rows="plain",
    ),
    "ril_sft": Algorithm(
        about="RIL inside instruction tuning: given responses by heart, and more and more RIL's rewards",
        rewards=("similarity", "answer"),
        losses=("rewards", "sft"),
        teacher_rows="plain",
    ),
    "dr_grpo": Algorithm(about="Dr.GRPO (2503.20783)", rewards=("answer",)),
    "grpo": Algorithm(
        about="GRPO (2402.03300)",
        rewards=("answer",),
        advantage="grpo",
        loss_weighting="row",
        denominator="rows",
    ),
    "gail": Algorithm(
        about="RIL without its answer reward: pass for a teacher",
        rewards=("similarity",),
        teacher_rows="plain",
    ),
    "dr_grpo_teachers": Algorithm(
        about="Dr.GRPO on groups with teacher rows, and no discriminator",
        rewards=("answer",),
        teacher_rows="plain",
    ),
    "clip_higher": Algorithm(
        about="DAPO's loss (2503.14476): more room upwards; without its dynamic sampling and length penalty",
        rewards=("answer",),
        advantage="grpo",
        denominator="tokens",
        clip_high=0.28,
        kl_beta=0.0,
    ),
    "gspo": Algorithm(
        about="GSPO (2507.18071): one ratio for a response, clipped near 1",
        rewards=("answer",),
        advantage="grpo",
        loss_weighting="row",
        denominator="rows",
        ratio_level="sequence",
        clip_low=3e-4,
        clip_high=4e-4,
        kl_beta=0.0,
    ),
    "cispo": Algorithm(
        about="CISPO (2506.13585): every token learns, its weight at most 5 (the cap of ScaleRL, 2510.13786)",
        rewards=("answer",),
        advantage="grpo",
        objective="clipped_weight",
        denominator="tokens",
        clip_low=1.0,
        clip_high=4.0,
        kl_beta=0.0,
    ),
    "on_policy_distillation": Algorithm(
        about="a teacher's distribution at each token of the student's own rollouts (GKD, 2306.13649): no reward",
        rewards=(),
        losses=("distillation",),
        kl_beta=0.0,
    ),
}
"""By name."""

if TYPE_CHECKING:
    AlgorithmName = str
else:
    AlgorithmName = Literal[tuple(ALGORITHMS)]  # so that pydantic, JSON Schema and the command line know the names
