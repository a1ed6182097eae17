"""The recipe's judge as a stage uses it: opened, with the call cache in front, its costs said at the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.generation.openai import OpenAiGeneration
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest
from rilctl.engines.judging.open import judge_by_rules, llm_judge, open_judge_model
from rilctl.engines.judging.watch import WatchedJudge
from rilctl.engines.judging.watching import Provisional
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.cached_calls import CachedGeneration
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, model_entry
from rilctl.stages.shared.pending import Calls, call_keys
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.stages.shared.pulse import Pulse


class JudgeCalls(Calls, Protocol):
    """Where a judge's replies are kept."""

    def forget(self, keys: Sequence[str]) -> None:
        """Answers that hold no verdict: another one is asked for next time."""


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
        alone: nothing else is done meanwhile: it stops between two replies, or two tokens of a model in this process.
    """
    if not isinstance(config, LlmJudgeConfig):
        yield judge_by_rules(config)
        return
    check_stop = context.check_stop if alone else lambda: None
    model = open_judge_model(
        config,
        context.base_dir,
        warn=context.reporter.warn,
        check_stop=context.check_stop,
        between_tokens=Pulse(context) if alone else lambda num: None,
    )
    asker = Asker("judge", config.model, context.out)
    with closing(model), CallCache(context.root, asker) as cache:
        calls = ProvisionalCalls(cache)
        try:
            yield judge_over(config, model, calls, calls, check_stop)
        finally:
            say_costs(context, config, ledger_of(model))


def judge_over(
    config: LlmJudgeConfig,
    model: GenerationEngine,
    calls: JudgeCalls,
    provisional: Provisional,
    check_stop: Callable[[], object] = lambda: None,
) -> WatchedJudge:
    """An LLM judge whose verdicts come from the calls where they hold them; its canaries don't.

    Args:
        config: the `[judge]` table.
        model: who is asked.
        calls: verdicts that are known.
        provisional: those of them that don't count yet.
        check_stop: called between the replies of an endpoint, and between some canaries; may raise to stop.
    """

    def through(engine: GenerationEngine) -> GenerationEngine:
        return CachedGeneration(
            engine,
            calls,
            chunk=model.rows_at_once,
            on_begin=lambda num: None,
            on_chunk=lambda num: None,
            check_stop=check_stop,
        )

    def forget(asked: Sequence[tuple[GenerationRequest, SamplingConfig]]) -> None:
        calls.forget(call_keys(model.model_digest, asked))

    return llm_judge(config, model, through, forget, provisional, check_stop)


def check_first(context: StageContext, judge: JudgeEngine, requests: Sequence[JudgeRequest]) -> None:
    """The first check of a judge under watch, with a bar.

    Args:
        context: the stage's surroundings.
        judge: any.
        requests: some of those that it will be asked; canaries are made of them.
    """
    if isinstance(judge, WatchedJudge):
        context.reporter.begin("canaries", total=judge.num_canaries, unit="canaries")
        judge.begin(requests, context.reporter.advance)
        context.reporter.end()


def ledger_of(model: GenerationEngine | None) -> Ledger:
    """What an endpoint counted; nothing for any other model."""
    return model.ledger if isinstance(model, OpenAiGeneration) else Ledger()


def say_costs(context: StageContext, config: LlmJudgeConfig, ledger: Ledger) -> None:
    """What this run was charged for, if it was."""
    if config.endpoint and ledger.num_calls:
        context.reporter.say(f"judge, this time: {ledger.line(config.endpoint)}")
