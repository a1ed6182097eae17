"""How well the student answers questions that it doesn't learn from: loss is of words, this is of answers."""

from collections.abc import Callable, Sequence

from rilctl.algorithms.statistics import wilson_interval
from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import OtherPicture, SamplingConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.data.sample import Sample
from rilctl.engines.generation.hf import shared_engine
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.open import judge_by_rules
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.stages.shared.pictures import Asked, gap_metrics, greedy_requests


def answer_metrics(
    vlm: Vlm,
    prompts: KeptPrompts,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    ranks: Ranks,
    between_tokens: Callable[[int], object],
    pictures: Sequence[OtherPicture] = (),
    seed: int = 0,
) -> dict[str, float]:
    """Accuracy on held-out questions, greedy decoding, as rules judge it, with its 95 % interval. Collective.

    Args:
        vlm: the student as it is now.
        prompts: its encoded prompts.
        samples: the held-out questions.
        max_new_tokens: of an answer.
        ranks: this process among those that train.
        between_tokens: told often how many tokens the answers under way have.
        pictures: beside which they are answered as well.
        seed: of the swap.
    """
    engine = shared_engine(vlm, prompts, HfEngineConfig(), between_tokens=between_tokens)
    sampling = SamplingConfig(max_new_tokens=max_new_tokens, temperature=0.0)

    def judged(asked: Sequence[Asked]) -> dict[int, bool]:
        """The verdicts on the answers of all ranks, by place."""
        own = ranks.share(asked)
        with vlm.sharding.whole(), ranks.together():
            answers = engine.generate([request for _, request in own], sampling)
            given = [(at, a[0].text) for (at, _), a in zip(own, answers, strict=True) if not isinstance(a, RowError)]
            to_judge = [JudgeRequest(samples[at].question, samples[at].answer, text) for at, text in given]
            verdicts = judge_by_rules(RuleJudgeConfig()).verdicts(to_judge)
        found = [(at, verdict.correct) for (at, _), verdict in zip(given, verdicts, strict=True)]
        return {at: correct for at, correct in ranks.gather_lists(found) if correct is not None}

    own = judged(greedy_requests(samples))
    if not own:
        return {}
    rate = wilson_interval(sum(own.values()), len(own))
    metrics = {"validation/accuracy": rate.estimate, "validation/low": rate.low, "validation/high": rate.high}
    for picture in pictures:
        metrics |= gap_metrics(picture, own, judged(greedy_requests(samples, picture, seed)))
    return metrics
