"""A judge under watch: what it says counts once canaries that came after it have shown that it can be trusted."""

import random
from collections.abc import Callable, Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict, judge_metrics
from rilctl.engines.judging.canaries import Canary
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.judging.drawn_canaries import DrawnCanaries
from rilctl.engines.judging.llm import LlmJudge
from rilctl.engines.judging.watching import Provisional, Watch


def planned_canaries(num_requests: int, num_commits: int, config: LlmJudgeConfig) -> int:
    """How many canaries are put at most to a judge that is right about all of them, in a run that isn't stopped.

    Args:
        num_requests: that it answers.
        num_commits: so often verdicts are to count.
        config: how often, and how many.
    """
    num_checks = 1 + num_commits + num_requests // config.canaries_every if num_requests else 0
    return num_checks * num_canaries(config)


class WatchedJudge:
    """A `JudgeEngine` that asks another one, and knows how far it can be trusted.

    Before it asks anything, it checks the judge, and after each `canaries_every` requests; whoever lets verdicts count
    calls `settle` before.

    Args:
        judge: answers requests: the next one itself, or rules before it.
        llm: the model's part of it, which canaries are put to between the requests.
        afresh: the same without a cache; canaries that no request came with are put to it.
        config: the limits.
        provisional: what `judge` said since the last check.
        check_stop: called between some canaries; may raise to stop.
    """

    def __init__(
        self,
        judge: JudgeEngine,
        llm: LlmJudge,
        afresh: LlmJudge,
        config: LlmJudgeConfig,
        provisional: Provisional,
        check_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.unwatched, self._config = judge, config
        self._canaries = DrawnCanaries(random.SystemRandom())
        self._watch = Watch(_Hearing(llm, afresh), self._canaries, config, provisional, check_stop=check_stop)

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        return self.unwatched.name

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`; no more than may pass between two checks."""
        return min(self.unwatched.rows_at_once, self._config.canaries_every)

    @property
    def num_provisional(self) -> int:
        """Verdicts of a model that don't count yet."""
        return self._watch.num_provisional

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`. Raises `RilctlError` where the judge can't be trusted, and drops what doesn't count."""
        return self.verdicts_beside(requests, len(requests)) if requests else []

    def verdicts_beside(
        self, requests: Sequence[JudgeRequest], num_of_all: int, *, settles: bool = False
    ) -> list[Verdict]:
        """Verdicts on this process's part of some requests; others ask for the rest.

        Args:
            requests: may be none.
            num_of_all: how many they are together.
            settles: whether these are the last ones before their verdicts are to count.
        """
        self.begin(requests)
        return self._watch.beside(
            requests, self.unwatched.verdicts, num_of_all=num_of_all, at_once=self.rows_at_once, settles=settles
        )

    @property
    def num_canaries(self) -> int:
        """See `check.num_canaries`."""
        return num_canaries(self._config)

    def begin(self, requests: Sequence[JudgeRequest], on_canaries: Callable[[int], object] = lambda num: None) -> None:
        """The first check, unless it was made; canaries are drawn from these requests from now on.

        Args:
            requests: that will be asked.
            on_canaries: told, now and then, how many more canaries are answered.
        """
        self._canaries.learn(requests)
        self._watch.begin(on_canaries)

    def settle(self) -> None:
        """Check the judge where something doesn't count yet; when it returns, everything does. Raises as `verdicts`."""
        self._watch.settle()

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`; canaries are asked afresh."""
        return self.unwatched.calls(requests)

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`; without the canaries."""
        return self.unwatched.counts()

    def trust(self) -> dict[str, float]:
        """See `Watch`."""
        return self._watch.trust()

    def close(self) -> None:
        """See `JudgeEngine`."""
        self.unwatched.close()


class _Hearing:
    """See `Hearing`: canaries in the rubric's form."""

    def __init__(self, llm: LlmJudge, afresh: LlmJudge) -> None:
        self._llm, self._afresh = llm, afresh

    @property
    def rows_at_once(self) -> int:
        return self._afresh.rows_at_once

    def put_between(self, canaries: Sequence[Canary]) -> None:
        self._llm.put_between([canary.request for canary in canaries])

    def heard_between(self) -> list[Verdict | None]:
        return self._afresh.hear(self._llm.heard_between())

    def verdicts(self, canaries: Sequence[Canary]) -> list[Verdict]:
        return self._afresh.verdicts([canary.request for canary in canaries])

    def counts(self) -> dict[str, float]:
        return self._afresh.counts()


def metrics_of(judge: JudgeEngine) -> dict[str, float]:
    """What a judge that works alone knows about itself so far."""
    return judge_metrics(judge.counts()) | (judge.trust() if isinstance(judge, WatchedJudge) else {})
