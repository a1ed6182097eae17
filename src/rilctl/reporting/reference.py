"""The list of metrics and timings as Markdown, from the registry."""

from collections.abc import Mapping

from rilctl.clock import Phase, key_of
from rilctl.config.recipe import VERBS, Verb
from rilctl.markdown import table
from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.metric import Metric

_HEAD = """\
# Metrics

What a run writes: `metrics.jsonl` has a line for each step, and one for step 0 where `train` validates before training;
`held_out/…` and what `judge` measures stand in the artifact's `metrics`. A metric that could not be computed is absent,
never zero. A name in capitals stands for any.

A mean is over all ranks' tokens or rows of a step. `sum`: added up over them; `step`: as it is after the step; `run`:
counted since the run began. A share is from 0 to 1.

A recipe's [trackers](tracking.md) mirror them.
"""
_ABOUT: dict[Verb, str] = {
    "train": "`disc/…` is measured on the step's rows *before* they are learned.",
    "pretrain-disc": "`disc/…` stands in `metrics.jsonl`; `held_out/…` ends the command's summary.",
}
_TIMINGS = """
## timings.jsonl

Seconds since the line before, of `train`, `sft` and `pretrain-disc`, as rank 0 sees them. Every second is counted once,
in the innermost phase, so the sum of a line is the time that passed. The device isn't waited for: on a GPU, what was
launched in one phase may be waited for in a later one, unless the step is [profiled](performance.md#profile-a-step).

"""

TIMINGS: Mapping[Phase, str] = {
    "pictures": "waiting for the step's pictures to be read and processed, with their questions",
    "rollouts": "the policy answers, with what is not named below",
    "prefill": "of that, the prompts' forward pass, where Hugging Face samples; validation's as well",
    "sync": "of that, weights are sent to vLLM and proven",
    "discriminator update": "forward, backward and optimizer step of the discriminator",
    "scoring": "the discriminator's logits for the rewards",
    "turns": "policy and discriminator change places between device and host",
    "judge wait": "waiting for verdicts after the discriminator is done; not the time that it took meanwhile",
    "reference": "log-probabilities of the reference",
    "policy update": "forward, backward and optimizer steps of the policy",
    "update": "the same in `sft` and `pretrain-disc`",
    "validation": "answers to held-out questions and their verdicts, or their loss; keeping the best student",
    "checkpoint": "reading one when the run goes on, and what the loop waits while the step before is saved",
    "other": "everything else: rewards, metrics, logs, waiting for other ranks",
}
"""What the seconds in `timings.jsonl` are of."""


def render() -> str:
    """One table for each verb that measures, and one of the phases."""
    parts = [_HEAD, *(_section(verb) for verb in VERBS if any(verb in metric.verbs for metric in METRICS))]
    timings = table(("key", "what it is"), [(f"`{key_of(phase)}`", meaning) for phase, meaning in TIMINGS.items()])
    return "".join([*parts, _TIMINGS, timings])


def _section(verb: Verb) -> str:
    about = f"{_ABOUT[verb]}\n\n" if verb in _ABOUT else ""
    rows = [_cells(metric) for metric in METRICS if verb in metric.verbs]
    return f"\n## {verb}\n\n{about}{table(('metric', 'unit', 'mean over', 'meaning', 'written'), rows)}"


def _cells(metric: Metric) -> tuple[str, ...]:
    return (f"`{metric.name}`", metric.unit, metric.over, metric.meaning, metric.when or "always")
