"""Which pictures a report draws of training dynamics. Adding one is one record; what is in none is drawn by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rilctl.schemas.report import Chart

Group = Literal[
    "rewards", "accuracy", "length", "policy", "signal", "throughput", "discriminator", "judge", "sft", "other"
]
_HEALTH = "method.md#reading-discriminator-health"


@dataclass(frozen=True)
class ChartRecord:
    """One picture.

    Args:
        name: unique.
        group: where it stands.
        title: a few words.
        metrics: by metric, what its curve is called.
        explanation: what it shows, and what good and bad look like.
        docs: page of the documentation and its heading.
        bands: by metric, the metrics that are the ends of its interval.
        is_noisy: see `Chart`.
    """

    name: str
    group: Group
    title: str
    metrics: Mapping[str, str]
    explanation: str
    docs: str = "metrics.md#train"
    bands: Mapping[str, tuple[str, str]] | None = None
    is_noisy: bool = True


CHARTS: tuple[ChartRecord, ...] = (
    ChartRecord(
        "accuracy",
        "accuracy",
        "accuracy on held-out questions",
        {"validation/accuracy": ""},
        "Questions that are never trained on, answered without sampling, with their 95 % interval. This is what "
        "counts: good is a rise that stays. A fall while rewards rise means that rewards pay for something else than "
        "being right.",
        bands={"validation/accuracy": ("validation/low", "validation/high")},
        is_noisy=False,
    ),
    ChartRecord(
        "pictures",
        "accuracy",
        "accuracy beside other pictures",
        {
            "validation/accuracy": "its own",
            "validation/accuracy_swapped": "another question's",
            "validation/accuracy_none": "none",
        },
        "The same questions beside their own picture, another question's, and none. Good is a wide gap: the student "
        "looks. Curves that meet mean that it answers from the words alone.",
        "eval.md#does-the-student-look",
        is_noisy=False,
    ),
    ChartRecord(
        "reward-answer",
        "rewards",
        "answer reward",
        {"reward/answer_student": "students", "reward/answer_teacher": "teachers"},
        "Share of rows that the judge calls right. Good is a rise toward the teachers' share, with held-out accuracy "
        "rising as well; this one alone is on questions that are trained on.",
        "train.md#rewards",
    ),
    ChartRecord(
        "reward-similarity",
        "rewards",
        "similarity reward",
        {"reward/similarity_student": "students", "reward/similarity_teacher": "teachers"},
        "Share of rows that the discriminator takes for a teacher's. Good is a rise from near 0 to about a half, "
        "where it can't tell any more; swings from 0 to 1 mean that all rows go over the threshold together.",
        _HEALTH,
    ),
    ChartRecord(
        "advantage",
        "rewards",
        "advantage",
        {"reward/advantage_student": "students", "reward/advantage_teacher": "teachers"},
        "How much more than its group a row earns, on the mean. Teachers begin above students; good is that they meet.",
        "method.md#advantages",
    ),
    ChartRecord(
        "length",
        "length",
        "response length",
        {"response/mean_tokens": "students", "response/mean_tokens_teacher": "teachers"},
        "Tokens of a response. Good is that students come near their teachers and stay there; a rise to the token "
        "budget without better answers is length that is paid for.",
    ),
    ChartRecord(
        "stopped",
        "length",
        "responses that end by themselves",
        {"response/stopped_share": ""},
        "The rest is cut off by the token budget, and rarely has its answer. Good is near 1.",
    ),
    ChartRecord(
        "entropy",
        "policy",
        "entropy of the policy",
        {"policy/entropy": ""},
        "How open the next token is. A slow fall is learning; a drop to nearly 0 means that all rollouts are alike and "
        "nothing more is learned.",
    ),
    ChartRecord(
        "kl",
        "policy",
        "distance from the reference",
        {"policy/student_kl": "students", "policy/teacher_kl": "teachers"},
        "KL (k3) to the student that training began with. It rises as the policy moves and should level off; a rise "
        "without end is a policy that leaves what it knew.",
        "method.md#the-policys-loss",
    ),
    ChartRecord(
        "logprob",
        "policy",
        "log-probability under the policy",
        {"policy/student_logprob": "students", "policy/teacher_logprob": "teachers"},
        "Of a token, on the mean. Teachers' rows begin less probable; as the policy learns to say them they rise.",
    ),
    ChartRecord(
        "grad-norm",
        "policy",
        "gradient norm",
        {"policy/grad_norm": "policy", "disc/grad_norm": "discriminator", "sft/grad_norm": "SFT"},
        "Before clipping. Good is of one size throughout; spikes are odd batches, 0 means that nothing is learned.",
    ),
    ChartRecord(
        "policy-loss",
        "policy",
        "loss of the policy",
        {"policy/loss": "rewards", "policy/sft_loss": "responses learned by heart"},
        "It has no zero to fall to, as advantages are relative: look at rewards and accuracy instead.",
    ),
    ChartRecord(
        "ratio",
        "policy",
        "importance ratio and clipping",
        {
            "policy/student_clip_fraction": "clipped, students",
            "policy/teacher_clip_fraction": "clipped, teachers",
            "policy/student_cut_share": "sampler's weight cut",
        },
        "Share of tokens on which a bound acts. Some is fine; most of them means that updates are too large.",
    ),
    ChartRecord(
        "mismatch",
        "policy",
        "sampler against trainer",
        {"policy/student_mismatch_kl": "KL", "sync/logprob_error": "log-probability error"},
        "Where another engine samples: how far it is from what is trained. Good is near 0.",
        "vllm.md#the-correction",
    ),
    ChartRecord(
        "distillation",
        "policy",
        "distance from the teacher",
        {"policy/distillation_kl": "KL", "policy/distillation_entropy": "teacher's entropy"},
        "Per token of the student's own rollouts. Good is a fall.",
        "train.md#on-policy-distillation",
    ),
    ChartRecord(
        "signal",
        "signal",
        "groups without signal",
        {
            "group/no_signal_share": "no signal",
            "group/skipped_share": "skipped",
            "group/no_truth_share": "no ground truth",
        },
        "Groups whose rows all earn the same teach nothing, whatever they cost; skipped ones have fewer than two "
        "rewarded rows. Good is low; near 1, training stands still.",
        "data.md#selection",
    ),
    ChartRecord(
        "disc-auc",
        "discriminator",
        "telling students from teachers",
        {
            "disc/auc": "AUC",
            "disc/balanced_accuracy": "balanced accuracy",
            "disc/length_only_accuracy": "length alone",
        },
        "On rows that it hasn't learned; 0.5 is guessing. Good begins above *length alone* and falls toward 0.5 as "
        "students become hard to tell. On the curve of length alone it sees length and no more; far below it, it has "
        "collapsed.",
        _HEALTH,
    ),
    ChartRecord(
        "disc-sides",
        "discriminator",
        "accuracy on each side",
        {"disc/student_accuracy": "students", "disc/teacher_accuracy": "teachers"},
        "One near 1 and the other near 0 is an offset: all rows are called the same.",
        _HEALTH,
    ),
    ChartRecord(
        "disc-calibration",
        "discriminator",
        "calibration and saturation",
        {"disc/calibration_error": "calibration error", "disc/saturation": "saturation"},
        "Calibration error: how far its probabilities are from what is so. Saturation: share of logits beyond ±5, "
        "where little gradient is left. Good is low for both.",
        _HEALTH,
    ),
    ChartRecord(
        "disc-margin",
        "discriminator",
        "margin",
        {"disc/margin": ""},
        "Mean logit of students minus that of teachers. It falls toward 0 as the two become alike.",
        _HEALTH,
    ),
    ChartRecord(
        "disc-loss",
        "discriminator",
        "loss of the discriminator",
        {"disc/loss": ""},
        "ln 4, 1.39, is guessing.",
        _HEALTH,
    ),
    ChartRecord(
        "judge-canaries",
        "judge",
        "judge's errors on canaries",
        {
            "judge/canary/false_positive_rate": "wrong called right",
            "judge/canary/false_negative_rate": "right called wrong",
        },
        "Answers whose verdict is known. Wrong ones that are called right are what a policy learns to exploit. Good "
        "is 0.",
        "judging.md#canaries",
        bands={
            "judge/canary/false_positive_rate": (
                "judge/canary/false_positive_low",
                "judge/canary/false_positive_high",
            ),
            "judge/canary/false_negative_rate": (
                "judge/canary/false_negative_low",
                "judge/canary/false_negative_high",
            ),
        },
        is_noisy=False,
    ),
    ChartRecord(
        "judge-missing",
        "judge",
        "rows without a verdict",
        {
            "judge/missing_share_student": "students",
            "judge/missing_share_teacher": "teachers",
            "validation/missing_share": "held-out questions",
        },
        "Such rows teach nothing. Good is 0; where the share grows, look at the judge's log.",
        "judging.md#when-the-judge-fails",
    ),
    ChartRecord(
        "judge-cost",
        "judge",
        "what the judge has cost",
        {"judge/cost": "rows", "judge/canary/cost": "canaries"},
        "Since the run began, in the currency of the recipe's prices.",
        "endpoints.md",
        is_noisy=False,
    ),
    ChartRecord(
        "sft-loss",
        "sft",
        "loss of SFT",
        {"sft/loss": "learned responses", "validation/loss": "held-out responses"},
        "Good is that both fall. A held-out loss that turns up while the other falls is learning by heart.",
        "sft.md#what-is-reported",
    ),
    ChartRecord(
        "preference",
        "sft",
        "preferences",
        {"sft/preference_accuracy": "preferred one ahead"},
        "Share of pairs whose preferred response has the larger implicit reward.",
        "sft.md#preferences",
    ),
    ChartRecord(
        "lr",
        "other",
        "learning rate",
        {"policy/lr": "policy", "disc/lr": "discriminator", "sft/lr": "SFT"},
        "As the recipe says.",
        is_noisy=False,
    ),
)
"""In the order in which they are drawn within their groups."""

GROUPS: tuple[str, ...] = Chart.model_fields["group"].annotation.__args__  # type: ignore[union-attr]
"""Groups, in their order."""
