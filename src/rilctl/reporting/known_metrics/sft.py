"""Of `sft`."""

from rilctl.reporting.known_metrics.shared import BAD, NORM
from rilctl.reporting.metric import Metric

_JUDGED = "with `sft.keep`, `sft.difficulty` or `sft.preference`, in the first step's line"
_PREFERS = "with `sft.preference`"

SFT: tuple[Metric, ...] = (
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
    Metric("sft/grad_norm", "", "step", NORM, ("sft",)),
    Metric("sft/num_tokens", "tokens", "sum", "of the step's responses", ("sft",)),
    Metric("sft/num_bad_steps", "steps", "run", BAD, ("sft",)),
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
)
