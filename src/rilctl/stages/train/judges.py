"""The recipe's judge, opened for all ranks of a run."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.generation.base import GenerationEngine, Usage
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.open import judge_by_rules, open_judge_model
from rilctl.engines.judging.watching import NothingKept
from rilctl.engines.parts import part_of
from rilctl.engines.training.ranks import Ranks
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.judging import judge_over, ledger_of, opened_judge, say_costs
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.stages.shared.ranked import RankedCalls
from rilctl.stages.train.paid import PaidCalls
from rilctl.stages.train.verdicts import JudgeAsker


@contextmanager
def opened_asker(context: StageContext, config: JudgeConfig, ranks: Ranks) -> Iterator[JudgeAsker]:
    """The judge for all ranks. Collective, at its beginning and at a good end.

    Rules judge in every process. A model at an endpoint is asked by every rank, with its share of what may be under way
    at once; one that `judge.engine` runs, by rank 0 alone.

    Args:
        context: the stage's surroundings.
        config: the `[judge]` table.
        ranks: this process among the others.
    """
    if not isinstance(config, LlmJudgeConfig):
        yield JudgeAsker(judge_by_rules(config), ranks, num_askers=ranks.size)
        return
    if ranks.size == 1:
        with opened_judge(context, config) as judge:
            yield JudgeAsker(judge, ranks, is_watched=True)
        return
    num_askers = min(ranks.size, _limit(config))
    with ExitStack() as held:
        with ranks.together():
            asker = Asker("judge", config.model, context.out)
            cache = held.enter_context(CallCache(context.root, asker)) if ranks.is_main else None
            calls_of_all = ProvisionalCalls(cache) if cache else None
            own, model = None, None
            if ranks.rank < num_askers:
                own = _share(config, ranks.rank, num_askers)
                warn, check_stop = context.reporter.warn, context.check_stop
                model = open_judge_model(own, context.base_dir, warn=warn, check_stop=check_stop)
                held.enter_context(closing(model))
        digest = model.model_digest if model else ""
        calls = PaidCalls(RankedCalls(calls_of_all, ranks), digest)
        provisional = calls_of_all or NothingKept()
        share: JudgeEngine | None = judge_over(own, model, calls, provisional) if own and model else None
        yield JudgeAsker(share, ranks, num_askers=num_askers, is_watched=True, calls=calls)
        say_costs(context, config, _total(ranks, model))


def _limit(config: LlmJudgeConfig) -> int:
    """How many ranks could ask at once; 1 for a model that one process loads, or proves to be what it should."""
    return config.endpoint.max_concurrency if config.endpoint is not None else 1


def _share(config: LlmJudgeConfig, rank: int, num_askers: int) -> LlmJudgeConfig:
    """The judge as one of several ranks asks it."""
    if config.endpoint is None:
        return config
    most = part_of(config.endpoint.max_concurrency, rank, num_askers)
    return config.model_copy(update={"endpoint": config.endpoint.model_copy(update={"max_concurrency": most})})


def _total(ranks: Ranks, model: GenerationEngine | None) -> Ledger:
    """What all ranks were charged for. Collective."""
    ledger = ledger_of(model)
    counts = [ledger.num_calls, ledger.num_answers, ledger.num_uncounted, *astuple(ledger.usage)]
    calls, answers, uncounted, *tokens = map(sum, zip(*ranks.gather(counts), strict=True))
    return Ledger(calls, answers, uncounted, Usage(*tokens))
