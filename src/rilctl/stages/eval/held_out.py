"""The suite `validation` of a recipe: its held-out questions, its judge, its token budget."""

from collections.abc import Sequence
from functools import partial

from rilctl.config.judge import JudgeConfig, RuleJudgeConfig
from rilctl.engines.evaluation.held_out import HeldOutEvaluation
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.open import judge_identity
from rilctl.engines.judging.watch import WatchedJudge
from rilctl.errors import ConfigError
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data
from rilctl.stages.shared.judging import check_first, opened_judge

_ANSWER_TOKENS = 1024
"""Of an answer, where the recipe has no `[train]`, whose rollouts say it."""


def open_held_out(context: StageContext) -> HeldOutEvaluation:
    """What evaluates the suite `validation`.

    Raises:
        ConfigError: the recipe holds no question with a ground truth out.
    """
    samples = [sample for sample in load_data(context, "validation").samples if sample.has_truth]
    if not samples:
        raise ConfigError(
            "the suite `validation` is the recipe's held-out questions with a ground truth, and it has none",
            hint="say which, such as `--set data.validation.share=0.1`",
        )
    recipe = context.recipe
    judge = recipe.judge or RuleJudgeConfig()
    budget = recipe.train.sampling.max_new_tokens if recipe.train is not None else _ANSWER_TOKENS
    return HeldOutEvaluation(samples, budget, judge_identity(judge), partial(_verdicts, context, judge))


def _verdicts(context: StageContext, config: JudgeConfig, requests: Sequence[JudgeRequest]) -> list[Verdict]:
    with opened_judge(context, config, alone=True) as judge:
        check_first(context, judge, requests)
        context.reporter.begin("eval: judge", total=len(requests), unit="answers")
        verdicts: list[Verdict] = []
        for start in range(0, len(requests), judge.rows_at_once):
            chunk = requests[start : start + judge.rows_at_once]
            verdicts += judge.verdicts(chunk)
            context.reporter.advance(len(chunk))
            context.check_stop()
        if isinstance(judge, WatchedJudge):
            judge.settle()
        context.reporter.end()
        return verdicts
