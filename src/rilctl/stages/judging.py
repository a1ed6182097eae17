"""The recipe's judge as a stage uses it: opened, with the call cache in front, its costs said at the end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig, RuleJudgeConfig
from rilctl.engines.generation.openai import OpenAiGeneration
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.open import judge_model, llm_judge, open_judge_model
from rilctl.engines.judging.rule import RuleJudge
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.cached_calls import CachedGeneration
from rilctl.stages.context import StageContext
from rilctl.stages.inputs import endpoint_entry, model_entry


def judge_entries(context: StageContext, config: JudgeConfig) -> list[InputEntry]:
    """Lineage of the judge's model, where it has one."""
    if isinstance(config, RuleJudgeConfig):
        return []
    if config.endpoint is None:
        return [model_entry(context, "judge", judge_model(config))]
    return [endpoint_entry(context, "judge", config.model, config.endpoint)]


@contextmanager
def opened_judge(
    context: StageContext, config: JudgeConfig, *, check_stop: Callable[[], object] = lambda: None
) -> Iterator[JudgeEngine]:
    """The judge; an LLM's verdicts come from the call cache where it holds them.

    Args:
        context: the stage's surroundings.
        config: the `[judge]` table.
        check_stop: called between the replies of an endpoint; may raise to stop.
    """
    if isinstance(config, LlmJudgeConfig):
        with CallCache(context.root) as cache:
            yield from _llm(context, config, cache, check_stop)
    else:
        yield RuleJudge(config)


def _llm(
    context: StageContext, config: LlmJudgeConfig, cache: CallCache, check_stop: Callable[[], object]
) -> Iterator[JudgeEngine]:
    model = open_judge_model(config, context.base_dir, warn=context.reporter.warn, check_stop=context.check_stop)
    cached = CachedGeneration(
        model,
        cache,
        chunk=model.rows_at_once,
        on_begin=lambda num: None,
        on_chunk=lambda num: None,
        check_stop=check_stop,
    )
    with closing(llm_judge(config, model, cached)) as judge:
        try:
            yield judge
        finally:
            if isinstance(model, OpenAiGeneration) and config.endpoint and model.ledger.num_calls:
                context.reporter.say(f"judge, this time: {model.ledger.line(config.endpoint)}")
