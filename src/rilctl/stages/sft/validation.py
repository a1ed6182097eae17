"""How well the student answers questions that it doesn't learn from: loss is of words, this is of answers."""

from collections.abc import Callable, Sequence

from rilctl.algorithms.statistics import wilson_interval
from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.data.sample import Sample
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import shared_engine
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.open import judge_by_rules
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts


def answer_metrics(
    vlm: Vlm,
    prompts: KeptPrompts,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    ranks: Ranks,
    between_tokens: Callable[[int], object],
) -> dict[str, float]:
    """Accuracy on held-out questions, greedy decoding, as rules judge it, with its 95 % interval. Collective.

    Args:
        vlm: the student as it is now.
        prompts: its encoded prompts.
        samples: the held-out questions.
        max_new_tokens: of an answer.
        ranks: this process among those that train.
        between_tokens: told often how many tokens the answers under way have.
    """
    own = ranks.share(samples)
    engine = shared_engine(vlm, prompts, HfEngineConfig(), between_tokens=between_tokens)
    sampling = SamplingConfig(max_new_tokens=max_new_tokens, temperature=0.0)
    with vlm.sharding.whole(), ranks.together():
        answers = engine.generate([GenerationRequest(each.id, each.conversation, (0,)) for each in own], sampling)
        asked = [
            JudgeRequest(sample.question, sample.answer, answer[0].text)
            for sample, answer in zip(own, answers, strict=True)
            if not isinstance(answer, RowError)
        ]
        verdicts = [each.correct for each in judge_by_rules(RuleJudgeConfig()).verdicts(asked)]
    num_judged = ranks.total(sum(correct is not None for correct in verdicts))
    num_right = ranks.total(sum(correct is True for correct in verdicts))
    if not num_judged:
        return {}
    rate = wilson_interval(num_right, num_judged)
    return {"validation/accuracy": rate.estimate, "validation/low": rate.low, "validation/high": rate.high}
