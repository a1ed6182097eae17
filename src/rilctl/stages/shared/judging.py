"""The recipe's judge as a stage uses it: opened, with the call cache in front, its costs said at the end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.openai import OpenAiGeneration
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.canaries import CANARIES
from rilctl.engines.judging.open import judge_by_rules, llm_judge, open_judge_model
from rilctl.engines.judging.watch import WatchedJudge
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.cached_calls import CachedGeneration, Calls
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, model_entry
from rilctl.stages.shared.pulse import Pulse


def judge_entries(context: StageContext, config: JudgeConfig) -> list[InputEntry]:
    """Lineage of the judge's model, where it has one."""
    if not isinstance(config, LlmJudgeConfig):
        return []
    if config.endpoint is None:
        return [model_entry(context, "judge", config.loaded_here)]
    return [endpoint_entry(context, "judge", config.model, config.endpoint)]


@contextmanager
def opened_judge(context: StageContext, config: JudgeConfig, *, alone: bool = False) -> Iterator[JudgeEngine]:
    """The judge; an LLM's verdicts come from the call cache where it holds them.

    Args:
        context: the stage's surroundings.
        config: the `[judge]` table.
        alone: nothing else is done meanwhile, so canaries come first, with a bar, and it stops between two replies, or
            two tokens of a model in this process.
    """
    if not isinstance(config, LlmJudgeConfig):
        yield judge_by_rules(config)
        return
    model = open_judge_model(
        config,
        context.base_dir,
        warn=context.reporter.warn,
        check_stop=context.check_stop,
        between_tokens=Pulse(context) if alone else lambda num: None,
    )
    with closing(model), CallCache(context.root) as cache:
        try:
            yield _after_canaries(context, config, model, cache) if alone else judge_over(config, model, cache)
        finally:
            say_costs(context, config, ledger_of(model))


def judge_over(
    config: LlmJudgeConfig,
    model: GenerationEngine,
    calls: Calls,
    check_stop: Callable[[], object] = lambda: None,
    on_canaries: Callable[[int], object] = lambda num: None,
) -> WatchedJudge:
    """An LLM judge whose verdicts come from the calls where they hold them; its canaries don't.

    Args:
        config: the `[judge]` table.
        model: who is asked.
        calls: verdicts that are known.
        check_stop: called between the replies of an endpoint; may raise to stop.
        on_canaries: see `WatchedJudge`.
    """
    cached = CachedGeneration(
        model,
        calls,
        chunk=model.rows_at_once,
        on_begin=lambda num: None,
        on_chunk=lambda num: None,
        check_stop=check_stop,
    )
    return llm_judge(config, model, cached, on_canaries)


def _after_canaries(
    context: StageContext, config: LlmJudgeConfig, model: GenerationEngine, calls: Calls
) -> WatchedJudge:
    """The judge, once it has been through all canaries; of later ones only an interruption is heard."""
    is_first = True

    def on_canaries(num: int) -> None:
        if is_first:
            context.reporter.advance(num)
        context.check_stop()

    judge = judge_over(config, model, calls, context.check_stop, on_canaries)
    context.reporter.begin("canaries", total=len(CANARIES), unit="canaries")
    judge.watch(0)
    context.reporter.end()
    is_first = False
    return judge


def ledger_of(model: GenerationEngine | None) -> Ledger:
    """What an endpoint counted; nothing for any other model."""
    return model.ledger if isinstance(model, OpenAiGeneration) else Ledger()


def say_costs(context: StageContext, config: LlmJudgeConfig, ledger: Ledger) -> None:
    """What this run was charged for, if it was."""
    if config.endpoint and ledger.num_calls:
        context.reporter.say(f"judge, this time: {ledger.line(config.endpoint)}")
