"""The recipe's judge for benchmarks that bring prompts of their own, and what it takes to watch it there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.judging.spoken import Answer, Spoken, spoken
from rilctl.engines.judging.watching import NothingKept, Provisional


@dataclass(frozen=True)
class BenchmarkJudge:
    """A judge's model. Close it when all is asked.

    Args:
        known: answers prompts, from the call cache where it holds them.
        afresh: the same without a cache; canaries are put to it.
        config: the `[judge]` table: its limits.
        provisional: what was answered and no check covers yet.
        check_stop: called between some canaries; may raise to stop.
        numbers: of the checks of one evaluation.
    """

    known: GenerationEngine
    afresh: Spoken
    config: LlmJudgeConfig
    provisional: Provisional
    check_stop: Callable[[], object] = lambda: None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def over(
        cls,
        model: GenerationEngine,
        config: LlmJudgeConfig,
        *,
        through: Callable[[GenerationEngine], GenerationEngine] = lambda engine: engine,
        provisional: Provisional | None = None,
        check_stop: Callable[[], object] = lambda: None,
    ) -> "BenchmarkJudge":
        """Over a model.

        Args:
            model: answers everything.
            config: see the class.
            through: puts a cache in front of it.
            provisional: what that cache holds back; None: there is none.
            check_stop: see the class.
        """
        afresh = spoken(model, has_codes=False)
        return cls(through(afresh), afresh, config, provisional or NothingKept(), check_stop)

    def ask(self, prompts: Sequence[str], sampling: SamplingConfig) -> list[Answer]:
        """What is said to prompts."""
        return list(self.known.generate(requests_of(prompts), sampling))


def requests_of(prompts: Sequence[str]) -> list[GenerationRequest]:
    """As they are asked, a canary like any other."""
    return [GenerationRequest("judge", Conversation.of(prompt), (0,)) for prompt in prompts]
