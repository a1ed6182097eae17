"""Requests to an engine that answers one by one: a window of them, topped up as answers come.

What comes is stored before anything new is asked, as it may have cost money. Answers are given in the order of their
requests; so long as the first of the window is waited for, the others are asked and answered.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress

from pydantic import JsonValue

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import Came, GenerationRequest, OneByOneEngine, Response
from rilctl.errors import RowError
from rilctl.stages.shared.pending import Calls, ClaimingCalls, Pending, claimed, look_up
from rilctl.stages.shared.stored_responses import packed

PATIENCE_S = 600.0
"""How long to wait where no answer comes of another process, which may stand still; then it isn't waited for."""
LOOK_S = 0.2
_LOOKS = 8
"""The cache is looked at for so many parts of a window in turn, and what is missing of a part is claimed with it."""


def fed_responses(
    engine: OneByOneEngine,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    *,
    most: int,
    on_answered: Callable[[int], object],
    check_stop: Callable[[], object],
) -> Iterator[tuple[Response, ...] | RowError]:
    """`cached_responses` of an engine that answers one by one.

    However it ends, and whoever ends it, what is under way is waited for and stored.

    Args:
        engine: see `cached_responses`, as for what isn't said here.
        cache: what another command asks for is waited for, if it knows of others.
        requests: in the order in which they are given.
        sampling: how they are sampled.
        most: requests in the window.
        on_answered: called with a number of requests when they are yielded; may raise to stop.
        check_stop: called between answers; may raise to stop.
    """
    feed = _Feed(engine.model_digest, cache, requests, sampling, most)
    stop = _Stop(check_stop)
    stream = engine.answers(feed.ahead(), sampling, check_stop=stop)
    try:
        for came in stream:
            feed.keep(came)
            yield from _told(feed, on_answered)
            if feed.waits_for_others:
                time.sleep(LOOK_S)
        yield from _told(feed, on_answered)
    except BaseException:
        stop.is_over = True
        with suppress(BaseException):  # the first reason goes on
            for came in stream:
                with suppress(Exception):
                    feed.keep(came)
        raise
    finally:
        if isinstance(cache, ClaimingCalls):
            cache.release()


def _told(feed: "_Feed", on_answered: Callable[[int], object]) -> Iterator[tuple[Response, ...] | RowError]:
    num = 0
    for answer in feed.ready():
        yield answer
        num += 1
    if num:
        on_answered(num)


class _Stop:
    """Stops an engine, where whoever asked it has stopped."""

    def __init__(self, check_stop: Callable[[], object]) -> None:
        self._check_stop, self.is_over = check_stop, False

    def __call__(self) -> None:
        if self.is_over:
            raise CancelledError
        self._check_stop()


class _Feed:
    """The window: requests that were looked for in the cache, and not given yet.

    Args:
        model_digest: of the engine.
        cache: see `fed_responses`.
        requests: all of them.
        sampling: how they are sampled.
        most: of them in the window.
    """

    def __init__(
        self,
        model_digest: str,
        cache: Calls,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        most: int,
    ) -> None:
        self._model_digest, self._cache, self._sampling = model_digest, cache, sampling
        self._claims = cache if isinstance(cache, ClaimingCalls) else None
        self._requests, self._num_looked, self._most = requests, 0, most
        self._window: deque[Pending] = deque()
        self._to_ask: deque[Pending] = deque()
        self._asked: dict[int, dict[int, str]] = {}
        """By the engine's index of a request and of its seed: the key that is waited for."""
        self._num_asked = 0
        self._known: dict[str, JsonValue] = {}
        self._needed: Counter[str] = Counter()
        """In how many requests of the window a key is."""
        self._under_way: set[str] = set()
        self._elsewhere: set[str] = set()
        """What others are asking for."""
        self._moved_at = self._looked_at = time.monotonic()

    @property
    def waits_for_others(self) -> bool:
        """Whether nothing is under way but at other commands."""
        return bool(self._elsewhere) and not self._under_way and not self._to_ask

    def ahead(self) -> Iterator[GenerationRequest | None]:
        """What the engine is asked; see `Ahead`."""
        while True:
            if not self._to_ask and self._elsewhere:
                self._look_again()
            if self._to_ask:
                yield self._next()
            elif self._num_looked < len(self._requests) and len(self._window) < self._most:
                self._look_up(max(1, self._most // _LOOKS))
            elif self._elsewhere or self._num_looked < len(self._requests):
                yield None
            else:
                return

    def keep(self, came: Came) -> None:
        """Store what came; an error is kept with its request."""
        answers: dict[str, JsonValue] = {}
        done: list[str] = []
        for (index, seed), answer in came.items():
            key = self._asked[index].pop(seed)
            if not self._asked[index]:
                del self._asked[index]
            done.append(key)
            if isinstance(answer, RowError):
                self._fail(key, answer)
            else:
                answers[key] = packed(answer)
        if not done:
            return
        self._cache.put_many(answers)
        self._known |= answers
        self._under_way.difference_update(done)
        self._moved_at = time.monotonic()
        if self._claims is not None:
            self._claims.release(done)

    def ready(self) -> Iterator[tuple[Response, ...] | RowError]:
        """The answers of the first requests of the window, as far as all before them have theirs."""
        while self._window and self._is_ready(self._window[0]):
            each = self._window.popleft()
            answer = each.answer(self._known)
            for key in each.keys:
                self._needed[key] -= 1
                if not self._needed[key]:
                    del self._needed[key]
                    self._known.pop(key, None)
            yield answer

    def _is_ready(self, each: Pending) -> bool:
        return each.error is not None or all(key in self._known for key in each.keys)

    def _fail(self, key: str, error: RowError) -> None:
        for each in self._window:
            if key in each.keys:
                each.error = each.error or error

    def _next(self) -> GenerationRequest:
        each = self._to_ask.popleft()
        self._asked[self._num_asked] = {number: each.keys[index] for number, index in enumerate(each.missing)}
        self._num_asked += 1
        return each.fewer

    def _look_up(self, num: int) -> None:
        some = self._requests[self._num_looked : self._num_looked + num]
        self._num_looked += len(some)
        pending, known = look_up(self._model_digest, self._cache, some, self._sampling)
        self._known |= known
        for each in pending:
            self._needed.update(each.keys)
        missing = {each.keys[index] for each in pending for index in each.missing} - self._elsewhere - self._under_way
        self._window += pending
        self._ask_for(pending, self._claimed(missing))

    def _look_again(self) -> None:
        """What others were asking for: it may have come, or not be asked for any more."""
        now = time.monotonic()
        if now < self._looked_at + LOOK_S:
            return
        self._looked_at = now
        left, self._elsewhere = self._elsewhere, set()
        own = self._claimed(left, is_patient=now < self._moved_at + PATIENCE_S)
        if own or len(self._elsewhere) < len(left):
            self._moved_at = now
        self._ask_for(self._window, own)

    def _claimed(self, keys: set[str], *, is_patient: bool = True) -> set[str]:
        """Those that are to be asked for here; the others have come meanwhile, or others ask for them."""
        if self._claims is None or not keys:
            return keys
        own, came = claimed(self._claims, keys, is_patient=is_patient)
        self._known |= {key: answer for key, answer in came.items() if key in self._needed}
        self._elsewhere |= keys - own - came.keys()
        return own

    def _ask_for(self, pending: Sequence[Pending] | deque[Pending], keys: set[str]) -> None:
        """Have these keys asked for, each of them once, whichever of the requests have it."""
        left = set(keys)
        for each in pending:
            each.missing = [] if each.error else [index for index, key in enumerate(each.keys) if key in left]
            left.difference_update(each.keys)
            if each.missing:
                self._to_ask.append(each)
        self._under_way |= keys - left
