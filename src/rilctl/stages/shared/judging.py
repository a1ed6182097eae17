"""The recipe's judge as a stage uses it: opened, with the call cache in front, its costs said at the end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.openai import OpenAiGeneration
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.open import judge_by_rules, judge_model, llm_judge, open_judge_model
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.cached_calls import CachedGeneration, Calls
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, model_entry


def judge_entries(context: StageContext, config: JudgeConfig) -> list[InputEntry]:
    """Lineage of the judge's model, where it has one."""
    if not isinstance(config, LlmJudgeConfig):
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
    if not isinstance(config, LlmJudgeConfig):
        yield judge_by_rules(config)
        return
    model = open_judge_model(config, context.base_dir, warn=context.reporter.warn, check_stop=context.check_stop)
    with closing(model), CallCache(context.root) as cache:
        try:
            yield judge_over(config, model, cache, check_stop)
        finally:
            say_costs(context, config, ledger_of(model))


def judge_over(
    config: LlmJudgeConfig, model: GenerationEngine, calls: Calls, check_stop: Callable[[], object] = lambda: None
) -> JudgeEngine:
    """An LLM judge whose verdicts come from the calls where they hold them; its canaries don't."""
    cached = CachedGeneration(
        model,
        calls,
        chunk=model.rows_at_once,
        on_begin=lambda num: None,
        on_chunk=lambda num: None,
        check_stop=check_stop,
    )
    return llm_judge(config, model, cached)


def ledger_of(model: GenerationEngine | None) -> Ledger:
    """What an endpoint counted; nothing for any other model."""
    return model.ledger if isinstance(model, OpenAiGeneration) else Ledger()


def say_costs(context: StageContext, config: LlmJudgeConfig, ledger: Ledger) -> None:
    """What this run was charged for, if it was."""
    if config.endpoint and ledger.num_calls:
        context.reporter.say(f"judge, this time: {ledger.line(config.endpoint)}")
