"""How well the student does on questions that it doesn't learn from."""

from collections.abc import Sequence

from rilctl.algorithms.statistics import Interval, wilson_interval
from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.pictures import Asked, gap_metrics, greedy_requests
from rilctl.stages.train.asking import RolloutAsker
from rilctl.stages.train.rewarding import are_enough
from rilctl.stages.train.verdicts import JudgeAsker


def validate(
    context: StageContext,
    config: TrainConfig,
    asker: RolloutAsker,
    judge: JudgeAsker,
    step: int,
    samples: Sequence[Sample],
) -> tuple[Interval | None, dict[str, float]]:
    """Accuracy on held-out questions, greedy decoding. Collective.

    The judge is asked as patiently as in a step. Where more verdicts are missing than the recipe allows, nothing is
    said of the accuracy.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        asker: asks the policy.
        judge: says what is right.
        step: steps that the policy has learned.
        samples: the held-out questions; those without a ground truth are left out.

    Returns:
        The accuracy with its 95 % interval, None where it doesn't count; and the validation's metrics.
    """
    samples = [sample for sample in samples if sample.has_truth][: config.num_validation_questions]

    def judged(asked: Sequence[Asked]) -> list[tuple[int, bool | None]]:
        """The verdicts on the answers of all ranks, by place."""
        own = asker.ranks.share(asked)
        with phase("train", "validation"):
            answers = asker.greedy(step, [request for _, request in own], config.sampling.max_new_tokens)
        texts = [(at, a[0].text) for (at, _), a in zip(own, answers, strict=True) if not isinstance(a, RowError)]
        said = judge.verdicts(samples, texts, config, context.check_stop)
        return list(zip(asker.ranks.gather_lists([at for at, _ in texts]), said, strict=True))

    said = judged(greedy_requests(samples))
    own = {at: correct for at, correct in said if correct is not None}
    num_verdicts, num_asked = len(own), len(said)
    if not num_asked:
        return None, {}
    missing = {"validation/missing_share": 1 - num_verdicts / num_asked}
    if not num_verdicts or not are_enough(num_verdicts, num_asked, config):
        context.reporter.warn(
            f"validation after step {step}: {num_asked - num_verdicts} of {num_asked} answers have no verdict, "
            f"`max_missing_verdicts` is {config.max_missing_verdicts:.0%}; it doesn't count"
        )
        return None, missing
    interval = wilson_interval(sum(own.values()), num_verdicts)
    bounds = {"validation/low": interval.low, "validation/high": interval.high}
    metrics = missing | {"validation/accuracy": interval.estimate, **bounds}
    for picture in config.validation_picture:
        others = judged(greedy_requests(samples, picture, config.seed))
        metrics |= gap_metrics(picture, own, {at: correct for at, correct in others if correct is not None})
    return interval, metrics
