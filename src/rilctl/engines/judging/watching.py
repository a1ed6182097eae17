"""Canaries put to a judge between what it is asked: what it says counts once they have shown that it can be trusted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Generic, Protocol, TypeVar

from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import Verdict, judge_metrics
from rilctl.engines.judging.check import Check, Known

Case = TypeVar("Case", bound=Known)
PutCase = TypeVar("PutCase", bound=Known, contravariant=True)
Asked = TypeVar("Asked")
Said = TypeVar("Said")
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


class Hearing(Protocol[PutCase]):
    """How canaries are put to a judge; never by way of a cache."""

    @property
    def rows_at_once(self) -> int:
        """Canaries worth putting in one call."""

    def put_between(self, canaries: Sequence[PutCase]) -> None:
        """Put them between what is asked next."""

    def heard_between(self) -> list[Verdict | None]:
        """What was said to them, in order; None: nothing, for whatever reason. They aren't put any more."""

    def verdicts(self, canaries: Sequence[PutCase]) -> list[Verdict]:
        """Put them now, beside nothing."""

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`: of the canaries alone."""


class Drawing(Protocol[Case]):
    """Where canaries come from."""

    def draw(self, num_wrong: int, num_right: int, put: Sequence[Case] = ()) -> list[Case]:
        """So many canaries, in no order; those that were put come again only where there are too few others."""


class Watch(Generic[Case]):
    """The checks of one judge.

    Args:
        hearing: how canaries are put.
        canaries: where they come from.
        config: the limits.
        provisional: what the judge said since the last check.
        numbers: of the checks that share one probability of a false alarm.
        check_stop: called between some canaries; may raise to stop.
    """

    def __init__(
        self,
        hearing: Hearing[Case],
        canaries: Drawing[Case],
        config: LlmJudgeConfig,
        provisional: Provisional,
        *,
        numbers: Iterator[int] | None = None,
        check_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self._hearing, self._canaries, self._config = hearing, canaries, config
        self._provisional, self._check_stop = provisional, check_stop
        self._numbers = count(1) if numbers is None else numbers
        self._num_since = 0
        self._cost: dict[str, float] = {}
        self.newest: Check[Case] | None = None
        """The last check that came to an end."""

    @property
    def num_provisional(self) -> int:
        """Verdicts of a model that don't count yet."""
        return self._provisional.num_pending

    def beside(
        self,
        requests: Sequence[Asked],
        ask: Callable[[Sequence[Asked]], list[Said]],
        *,
        num_of_all: int,
        at_once: int,
        settles: bool,
    ) -> list[Said]:
        """Ask, and check the judge meanwhile where a check is due.

        Args:
            requests: what is asked here; may be none.
            ask: asks some of them.
            num_of_all: how many other processes ask beside, these included.
            at_once: requests worth asking in one call.
            settles: whether these are the last ones before what is said is to count.
        """
        self._num_since += num_of_all
        if not settles and self._num_since < self._config.canaries_every:
            return ask(requests)
        check, counted = self._new_check(), self._hearing.counts()
        canaries = self._canaries.draw(*check.num_wanted)
        between, left = canaries[: -len(canaries) // _AFTER], canaries[-len(canaries) // _AFTER :]
        num_first = max(0, len(requests) - max(at_once, len(canaries)))
        answers = ask(requests[:num_first])
        self._hearing.put_between(between)
        try:
            answers += ask(requests[num_first:])
        finally:
            heard = self._hearing.heard_between()
        said = [(canary, verdict) for canary, verdict in zip(between, heard, strict=True) if verdict is not None]
        if said or self._provisional.num_pending:
            check.add(said)
            left += [canary for canary, verdict in zip(between, heard, strict=True) if verdict is None]
            self._finish(check, left, counted, at_once=self._hearing.rows_at_once)
        self._num_since = 0
        return answers

    def begin(self, on_canaries: Callable[[int], object] = lambda num: None) -> None:
        """The first check, unless it was made.

        Args:
            on_canaries: told, now and then, how many more canaries are answered.
        """
        if self.newest is None:
            self._finish(self._new_check(), [], self._hearing.counts(), on_canaries)

    def settle(self) -> None:
        """Check the judge where something doesn't count yet; when it returns, everything does. Raises `RilctlError`."""
        if self._provisional.num_pending:
            self._finish(self._new_check(), [], self._hearing.counts())
            self._num_since = 0

    def trust(self) -> dict[str, float]:
        """Metrics of the newest check: both rates, how many canaries have no verdict, what they cost."""
        found = {} if self.newest is None else self.newest.metrics() | self._cost
        return {f"canary/{name}": number for name, number in found.items()}

    def _new_check(self) -> Check[Case]:
        return Check(self._config, next(self._numbers))

    def _finish(
        self,
        check: Check[Case],
        canaries: Sequence[Case],
        counted: Mapping[str, float],
        on_canaries: Callable[[int], object] = lambda num: None,
        *,
        at_once: int = _FIRST,
    ) -> None:
        """Put these canaries and further ones until the check is clear.

        Args:
            check: under way.
            canaries: drawn for it, and not answered yet.
            counted: what `hearing` had counted before it.
            on_canaries: see `begin`.
            at_once: so many are put first; the rows that are asked next wait for them.
        """
        while check.failure() is None and (canaries or any(check.num_wanted)):
            canaries = canaries or self._canaries.draw(*check.num_wanted, put=check.canaries)
            at_once = min(at_once, self._hearing.rows_at_once)
            some, canaries, at_once = canaries[:at_once], canaries[at_once:], 2 * at_once
            check.add(list(zip(some, self._hearing.verdicts(some), strict=True)))
            on_canaries(len(some))
            self._check_stop()
        cost = {name: number - counted.get(name, 0.0) for name, number in self._hearing.counts().items()}
        self.newest, self._cost = check, judge_metrics(cost)
        if (failure := check.failure()) is not None:
            self._provisional.drop()
            raise failure
        self._provisional.confirm()
