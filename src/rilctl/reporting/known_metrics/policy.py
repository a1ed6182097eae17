"""Of the policy's update, and of a sampler elsewhere."""

from rilctl.reporting.known_metrics.shared import BAD, NORM
from rilctl.reporting.metric import Metric

_RATIO = "of the policy to what it was before the batch's first update"
_CLIPPED = "on which a bound acts: on their objective, or for `cispo` on their weight"
_SEVERAL = "with `policy_updates` > 1"
_ELSEWHERE = "where the sampler is corrected: another engine samples"
_VLLM = "where vLLM samples; proven before the step's rollouts"
_TAUGHT = "with `ril_sft`, while they weigh anything"
_DISTILLED = "with `on_policy_distillation`"

POLICY: tuple[Metric, ...] = (
    Metric("policy/loss", "", "sum", "of the step's last update, divided as the algorithm says"),
    Metric("policy/grad_norm", "", "step", NORM),
    Metric("policy/lr", "", "step", "learning rate"),
    Metric("policy/num_bad_steps", "steps", "run", BAD),
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
    Metric("policy/teacher_importance_ratio", "", "teacher tokens", _RATIO, side="teacher", when=_SEVERAL),
    Metric("policy/teacher_clip_fraction", "share", "teacher tokens", _CLIPPED, side="teacher", when=_SEVERAL),
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
)
SYNC: tuple[Metric, ...] = (
    Metric("sync/logprob_error", "nats", "tokens", "difference of vLLM's log-probabilities", when=_VLLM),
    Metric("sync/max_logprob_error", "nats", "tokens", "difference that is allowed", when=_VLLM),
    Metric("sync/num_looks", "looks", "step", "at probes; 2 where the first wasn't close enough", when=_VLLM),
    Metric("sync/num_tensors", "tensors", "step", "that were sent", when=_VLLM),
    Metric("sync/num_read_back", "tensors", "step", "whose checksums were read back", when=_VLLM),
)
