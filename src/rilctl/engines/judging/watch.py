"""A judge under watch: what it says counts once canaries that came after it have shown that it can be trusted."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict, judge_metrics
from rilctl.engines.judging.canaries import Canary
from rilctl.engines.judging.check import Check, num_canaries
from rilctl.engines.judging.drawn_canaries import DrawnCanaries
from rilctl.engines.judging.llm import LlmJudge

_AFTER = 4
"""One canary of so many comes after the last response, so that none is left uncovered; the others between the last."""
_FIRST = 8
"""So many are put first, then twice as many, as far as the judge's engine goes: a bad judge shows soon."""


class Provisional(Protocol):
    """Verdicts that no check covers yet, wherever they are kept."""

    @property
    def num_pending(self) -> int:
        """How many there are."""

    def confirm(self) -> None:
        """They count from now on."""

    def drop(self) -> None:
        """They never will."""


class NothingKept:
    """`Provisional` of a judge that another process watches."""

    num_pending = 0

    def confirm(self) -> None:
        """See `Provisional`."""

    def drop(self) -> None:
        """See `Provisional`."""


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
        self.unwatched, self._llm, self._afresh, self._config = judge, llm, afresh, config
        self._provisional, self._check_stop = provisional, check_stop
        self._canaries = DrawnCanaries(random.SystemRandom())
        self._num_checks = self._num_since = 0
        self._newest: dict[str, float] = {}

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        return self.unwatched.name

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`."""
        return self.unwatched.rows_at_once

    @property
    def num_provisional(self) -> int:
        """Verdicts of a model that don't count yet."""
        return self._provisional.num_pending

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
        self._num_since += num_of_all
        if not settles and self._num_since < self._config.canaries_every:
            return self.unwatched.verdicts(requests)
        check, counted = self._new_check(), self._afresh.counts()
        canaries = self._canaries.draw(*check.num_wanted)
        between, left = canaries[: -len(canaries) // _AFTER], canaries[-len(canaries) // _AFTER :]
        num_first = max(0, len(requests) - max(self.rows_at_once, len(canaries)))
        verdicts = self.unwatched.verdicts(requests[:num_first])
        self._llm.put_between([canary.request for canary in between])
        try:
            verdicts += self.unwatched.verdicts(requests[num_first:])
        finally:
            heard = self._afresh.hear(self._llm.heard_between())
        said = [(canary, verdict) for canary, verdict in zip(between, heard, strict=True) if verdict is not None]
        if said or self._provisional.num_pending:
            check.add(said)
            left += [canary for canary, verdict in zip(between, heard, strict=True) if verdict is None]
            self._finish(check, left, counted)
        self._num_since = 0
        return verdicts

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
        if not self._num_checks:
            self._finish(self._new_check(), [], self._afresh.counts(), on_canaries)

    def settle(self) -> None:
        """Check the judge where something doesn't count yet; when it returns, everything does. Raises as `verdicts`."""
        if self._provisional.num_pending:
            self._finish(self._new_check(), [], self._afresh.counts())
            self._num_since = 0

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`; canaries are asked afresh."""
        return self.unwatched.calls(requests)

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`; without the canaries."""
        return self.unwatched.counts()

    def trust(self) -> dict[str, float]:
        """Metrics of the newest check: both rates, how many canaries have no verdict, what they cost."""
        return {f"canary/{name}": number for name, number in self._newest.items()}

    def close(self) -> None:
        """See `JudgeEngine`."""
        self.unwatched.close()

    def _new_check(self) -> Check:
        return Check(self._config, self._num_checks + 1)

    def _finish(
        self,
        check: Check,
        canaries: Sequence[Canary],
        counted: Mapping[str, float],
        on_canaries: Callable[[int], object] = lambda num: None,
    ) -> None:
        """Put these canaries and further ones until the check is clear.

        Args:
            check: under way.
            canaries: drawn for it, and not answered yet.
            counted: what `afresh` had counted before it.
            on_canaries: see `begin`.
        """
        at_once = _FIRST
        while check.failure() is None and (canaries or any(check.num_wanted)):
            canaries = canaries or self._canaries.draw(*check.num_wanted, put=check.canaries)
            at_once = min(at_once, self._afresh.rows_at_once)
            some, canaries, at_once = canaries[:at_once], canaries[at_once:], 2 * at_once
            check.add(list(zip(some, self._afresh.verdicts([c.request for c in some]), strict=True)))
            on_canaries(len(some))
            self._check_stop()
        self._num_checks += 1
        cost = {name: number - counted.get(name, 0.0) for name, number in self._afresh.counts().items()}
        self._newest = check.metrics() | judge_metrics(cost)
        if (failure := check.failure()) is not None:
            self._provisional.drop()
            raise failure
        self._provisional.confirm()


def metrics_of(judge: JudgeEngine) -> dict[str, float]:
    """What a judge that works alone knows about itself so far."""
    return judge_metrics(judge.counts()) | (judge.trust() if isinstance(judge, WatchedJudge) else {})
