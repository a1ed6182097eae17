"""The recipe's judge for benchmarks that bring prompts of their own, with the call cache in front."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import LlmJudgeConfig
from rilctl.config.suite import Suite
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.engines.judging.open import open_judge_model
from rilctl.stages.shared.cached_calls import CachedGeneration
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.judging import ledger_of, say_costs
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.stages.shared.pulse import Pulse


@contextmanager
def open_judge_calls(context: StageContext, suite: Suite) -> Iterator[BenchmarkJudge | None]:
    """What answers the judge calls of a suite's benchmarks.

    None where no benchmark has any, or the recipe's judge knows only rules. The recipe's rubric and form of verdicts
    are left aside: a benchmark's prompt has its own. What is answered counts when a check of the judge covers it.
    """
    config = context.recipe.judge
    if not isinstance(config, LlmJudgeConfig) or all(benchmark.judge == "none" for benchmark in suite.benchmarks):
        yield None
        return

    def on_chunk(num: int) -> None:
        context.reporter.advance(num)
        context.check_stop()

    engine = open_judge_model(
        config.model_copy(update={"verdict_form": "tag"}),
        context.base_dir,
        warn=context.reporter.warn,
        check_stop=context.check_stop,
        between_tokens=Pulse(context),
    )
    asker = Asker("judge", config.model, context.out)
    with closing(engine), CallCache(context.root, asker) as cache:
        calls = ProvisionalCalls(cache)

        def through(spoken: GenerationEngine) -> GenerationEngine:
            return CachedGeneration(
                spoken,
                calls,
                chunk=spoken.rows_at_once,
                on_begin=lambda num: context.reporter.begin("eval: judge", total=num, unit="calls"),
                on_chunk=on_chunk,
                check_stop=context.check_stop,
            )

        try:
            yield BenchmarkJudge.over(engine, config, through=through, provisional=calls, check_stop=context.check_stop)
        finally:
            say_costs(context, config, ledger_of(engine))
