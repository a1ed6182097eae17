"""Every metric that a run writes: its unit, its side, how it is averaged, where it is shown. Adding one is one entry.

The order is that of bars and pages.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from rilctl.config.fields import OtherPicture
from rilctl.config.recipe import Verb
from rilctl.reporting.metric import Metric, Panel

_DISC: tuple[Verb, ...] = ("train", "pretrain-disc")
_BAD = "updates of the run so far that weren't taken, as their loss or gradient wasn't finite"
_NORM = "of the gradient, before clipping"
_RATIO = "of the policy to what it was before the batch's first update"
_CLIPPED = "on which a bound acts: on their objective, or for `cispo` on their weight"
_SEVERAL = "with `policy_updates` > 1"
_SHAPED = f"{_SEVERAL}, unless teacher rows are `shaped`"
_ELSEWHERE = "where the sampler is corrected: another engine samples"
_JUDGED = "with `sft.keep`, `sft.difficulty` or `sft.preference`, in the first step's line"
_PREFERS = "with `sft.preference`"
_VLLM = "where vLLM samples; proven before the step's rollouts"
_WITH_DISC = "with a discriminator"
_SWAPPED = 'with `negatives = "students+swapped"`'
_TAUGHT = "with `ril_sft`, while they weigh anything"
_DISTILLED = "with `on_policy_distillation`"
_WITH_JUDGE = "with an answer reward"

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
_SWAPS = (
    Metric(
        "swap_auc",
        "share",
        "pairs",
        "a teacher's response beside a swapped picture has a higher logit than beside its own; 0.5: it doesn't look",
        side="teacher",
        when=_SWAPPED,
        headline=True,
    ),
    Metric("swap_margin", "logit", "pairs", "mean difference of the two", side="teacher", when=_SWAPPED),
    Metric("num_swapped", "rows", "sum", "teachers' responses beside a swapped picture", side="teacher", when=_SWAPPED),
)
"""Whether it looks."""
_JUDGE = (
    Metric(
        "input_tokens", "tokens", "run", "that the endpoint counted, of what it was asked", when="with an LLM judge"
    ),
    Metric("output_tokens", "tokens", "run", "that the endpoint counted, of its replies", when="with an LLM judge"),
    Metric("cost", "price", "run", "of both", when="with prices in `judge.endpoint`"),
)
"""What replies cost."""
_LLM_JUDGE = (
    *(
        replace(metric, name=f"canary/{metric.name}", over="sum", meaning=f"{metric.meaning}; of the newest check")
        for metric in _JUDGE
    ),
    Metric("canary/num", "canaries", "sum", "of the newest check"),
    Metric("canary/num_no_verdict", "canaries", "sum", "without a verdict"),
    Metric("canary/false_positive_rate", "share", "canaries", "wrong ones that were called right"),
    Metric("canary/false_positive_low", "share", "canaries", "lower end of its 95 % interval (Wilson)"),
    Metric("canary/false_positive_high", "share", "canaries", "upper end"),
    Metric("canary/false_negative_rate", "share", "canaries", "right ones that were called wrong"),
    Metric("canary/false_negative_low", "share", "canaries", "lower end of its 95 % interval (Wilson)"),
    Metric("canary/false_negative_high", "share", "canaries", "upper end"),
    Metric("rules_first_share", "share", "rows", "that the rules settled", when="with `judge.rules_first`"),
)
"""What an LLM judge knows about itself."""


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


def _in(room: str, verbs: tuple[Verb, ...], metrics: Iterable[Metric], when: str = "") -> list[Metric]:
    """Metrics that several rooms have, in one of them."""
    return [replace(each, name=f"{room}{each.name}", verbs=verbs, when=each.when or when) for each in metrics]


METRICS: tuple[Metric, ...] = (
    Metric(
        "sft/loss",
        "nats",
        "tokens",
        "on the step's responses, before the update; with `sft.preference`, over pairs",
        ("sft",),
        bar=("sft",),
    ),
    Metric(
        "sft/preference_accuracy",
        "share",
        "pairs",
        "whose preferred response has the larger implicit reward, before the update",
        ("sft",),
        when=_PREFERS,
        bar=("sft",),
    ),
    Metric("sft/reward_margin", "", "pairs", "by how much it is larger, scaled by beta", ("sft",), when=_PREFERS),
    Metric("sft/preferred_logprob", "nats", "pairs", "of the whole preferred response", ("sft",), when=_PREFERS),
    Metric("sft/dispreferred_logprob", "nats", "pairs", "of the student's own", ("sft",), when=_PREFERS),
    Metric("sft/lr", "", "step", "learning rate", ("sft",), bar=("sft",)),
    Metric("sft/grad_norm", "", "step", _NORM, ("sft",)),
    Metric("sft/num_tokens", "tokens", "sum", "of the step's responses", ("sft",)),
    Metric("sft/num_bad_steps", "steps", "run", _BAD, ("sft",)),
    Metric("sft/num_kept", "rows", "run", "responses that are learned, or pairs", ("sft",), when=_JUDGED),
    Metric("sft/num_left_out/REASON", "rows", "run", "responses that aren't", ("sft",), when=_JUDGED),
    Metric(
        "validation/loss",
        "nats",
        "tokens",
        "of held-out responses like those that are learned: the data's own, or cached ones where the cache has any",
        ("sft",),
        when="with held-out responses",
        bar=("sft",),
    ),
    Metric(
        "reward/answer_student",
        "share",
        "student rows",
        "judged right, among those with a verdict",
        side="student",
        when=_WITH_JUDGE,
        bar=("train",),
        headline=True,
        panel=Panel(2, "answer reward", "rollouts judged right"),
    ),
    Metric(
        "reward/similarity_student",
        "share",
        "student rows",
        "that the discriminator takes for a teacher's; how sure it is, where the reward is `graded`",
        side="student",
        when=_WITH_DISC,
        bar=("train",),
        headline=True,
        panel=Panel(1, "similarity reward", "students taken for a teacher"),
    ),
    Metric(
        "reward/NAME_student",
        "",
        "student rows",
        "a reward that `[train.rewards]` names, of the rows that it scored",
        side="student",
        when="with a reward of one's own",
        bar=("train",),
        headline=True,
    ),
    Metric(
        "reward/NAME_teacher",
        "",
        "teacher rows",
        "the same",
        side="teacher",
        when="with a reward of one's own and teacher rows",
    ),
    Metric("reward/answer_teacher", "share", "teacher rows", "the same", side="teacher", when="with teacher rows"),
    Metric("reward/similarity_teacher", "share", "teacher rows", "the same", side="teacher", when=_WITH_DISC),
    Metric("reward/advantage_student", "", "student rows", "advantage in the policy's group", side="student"),
    Metric(
        "reward/advantage_teacher",
        "",
        "teacher rows",
        "the same",
        side="teacher",
        when="with teacher rows in the group",
    ),
    Metric("group/skipped_share", "share", "groups", "with fewer than two rewarded rows"),
    Metric(
        "group/no_truth_share",
        "share",
        "groups",
        "whose question has no ground truth: other rewards alone",
        when='with `rewards.missing_truth = "others"` and an answer reward',
    ),
    Metric("group/no_signal_share", "share", "groups", "whose advantages are all 0: nothing to learn from them"),
    Metric("response/mean_tokens", "tokens", "student rows", "length", side="student"),
    Metric(
        "response/mean_tokens_teacher", "tokens", "teacher rows", "length", side="teacher", when="with teacher rows"
    ),
    Metric("response/stopped_share", "share", "student rows", "that ended by themselves", side="student"),
    Metric(
        "response/truncated_mass",
        "share",
        "groups",
        "probability that top-p and top-k cut away; 0 while both are off, absent where vLLM samples with them",
        side="student",
    ),
    Metric(
        "judge/missing_share_student", "share", "student rows", "without a verdict", side="student", when=_WITH_JUDGE
    ),
    Metric(
        "judge/missing_share_teacher",
        "share",
        "teacher rows",
        "without a verdict",
        side="teacher",
        when="with an answer reward and teacher rows",
    ),
    Metric(
        "judge/missing_mean_tokens", "tokens", "rows", "length of rows without a verdict", when="where there are any"
    ),
    *_in("judge/", ("train",), (*_JUDGE, *_LLM_JUDGE), "with an LLM judge"),
    Metric("disc/loss", "nats", "", "of the discriminator's last update in the step", _DISC, bar=("pretrain-disc",)),
    *(
        replace(each, bar=("pretrain-disc",), headline=True) if each.name == "disc/auc" else each
        for each in _in("disc/", _DISC, _HEALTH, _WITH_DISC)
    ),
    *_in("disc/", _DISC, _SWAPS),
    Metric(
        "disc/threshold",
        "logit",
        "",
        "below which a row is taken for a teacher's",
        when='with `train.discriminator.threshold = "calibrated"`',
    ),
    Metric(
        "disc/length_only_accuracy",
        "share",
        "",
        "a rule that sees only the length, fitted on every other group and measured on the rest",
        when=_WITH_DISC,
        headline=True,
    ),
    Metric("disc/grad_norm", "", "step", _NORM, _DISC),
    Metric("disc/lr", "", "step", "learning rate", _DISC),
    Metric("disc/num_bad_steps", "steps", "run", _BAD, _DISC),
    *_in("held_out/", ("pretrain-disc",), _HEALTH),
    *_in("held_out/", ("pretrain-disc",), _SWAPS),
    Metric(
        "held_out/length_only_accuracy",
        "share",
        "",
        "balanced accuracy of the best rule that sees only the length, fitted on the training questions",
        ("pretrain-disc",),
    ),
    Metric("held_out/num_questions", "questions", "sum", "that the discriminator never saw", ("pretrain-disc",)),
    Metric("policy/loss", "", "sum", "of the step's last update, divided as the algorithm says"),
    Metric("policy/grad_norm", "", "step", _NORM),
    Metric("policy/lr", "", "step", "learning rate"),
    Metric("policy/num_bad_steps", "steps", "run", _BAD),
    Metric("policy/entropy", "nats", "policy tokens", "of the policy"),
    Metric("policy/num_student_tokens", "tokens", "sum", "that could act on the policy", side="student"),
    Metric("policy/num_teacher_tokens", "tokens", "sum", "the same", side="teacher"),
    Metric("policy/student_logprob", "nats", "student tokens", "under the policy", side="student"),
    Metric(
        "policy/teacher_logprob",
        "nats",
        "teacher tokens",
        "under the policy",
        side="teacher",
        when="with teacher rows in the group",
    ),
    Metric(
        "policy/student_kl",
        "nats",
        "student tokens",
        "k3 to the reference",
        side="student",
        when="with `kl_beta` > 0",
        headline=True,
    ),
    Metric(
        "policy/teacher_kl",
        "nats",
        "teacher tokens",
        "k3 to the reference",
        side="teacher",
        when='with `kl_rows = "all"`',
    ),
    Metric(
        "policy/distillation_kl",
        "nats",
        "student tokens",
        "of the policy from the teacher, over the vocabulary",
        side="student",
        when=_DISTILLED,
        bar=("train",),
        headline=True,
    ),
    Metric(
        "policy/distillation_agreement",
        "share",
        "student tokens",
        "where policy and teacher have the same most probable token",
        side="student",
        when=_DISTILLED,
        headline=True,
    ),
    Metric(
        "policy/distillation_entropy",
        "nats",
        "student tokens",
        "of the teacher's distribution",
        side="student",
        when=_DISTILLED,
    ),
    Metric("policy/sft_loss", "nats", "sft tokens", "on the responses learned by heart", when=_TAUGHT, bar=("train",)),
    Metric("policy/sft_weight", "share", "step", "of that part in the loss; the rewards' is the rest", when=_TAUGHT),
    Metric("policy/num_sft_tokens", "tokens", "sum", "of the responses learned by heart", when=_TAUGHT),
    Metric("policy/student_importance_ratio", "", "student tokens", _RATIO, side="student", when=_SEVERAL),
    Metric("policy/student_clip_fraction", "share", "student tokens", _CLIPPED, side="student", when=_SEVERAL),
    Metric("policy/teacher_importance_ratio", "", "teacher tokens", _RATIO, side="teacher", when=_SHAPED),
    Metric("policy/teacher_clip_fraction", "share", "teacher tokens", _CLIPPED, side="teacher", when=_SHAPED),
    Metric(
        "policy/student_mismatch_kl",
        "nats",
        "student tokens",
        "k3 of the sampler from the trainer; 0 where they agree",
        side="student",
        when=_ELSEWHERE,
    ),
    Metric(
        "policy/student_effective_sample_size",
        "share",
        "student tokens",
        "that the weighted ones are worth; 1 where all weights are equal",
        side="student",
        when=_ELSEWHERE,
        made_of=("policy/student_weight", "policy/student_squared_weight"),
    ),
    Metric(
        "policy/student_cut_share", "share", "student tokens", "whose weight was cut", side="student", when=_ELSEWHERE
    ),
    Metric("sync/logprob_error", "nats", "tokens", "difference of vLLM's log-probabilities", when=_VLLM),
    Metric("sync/max_logprob_error", "nats", "tokens", "difference that is allowed", when=_VLLM),
    Metric("sync/num_looks", "looks", "step", "at probes; 2 where the first wasn't close enough", when=_VLLM),
    Metric("sync/num_tensors", "tensors", "step", "that were sent", when=_VLLM),
    Metric("sync/num_read_back", "tensors", "step", "whose checksums were read back", when=_VLLM),
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
    Metric("accuracy", "share", "rows", "judged right, among those with a verdict", ("judge",)),
    Metric("accuracy/SOURCE", "share", "rows", "the same for one teacher, `student` or `stdin`", ("judge",)),
    Metric("num_no_verdict", "rows", "sum", "without a verdict, though with a ground truth", ("judge",)),
    Metric("num_no_truth", "rows", "sum", "without a ground truth", ("judge",), when="where there are any"),
    *_in("", ("judge",), (*_JUDGE, *_LLM_JUDGE), "with an LLM judge"),
)
