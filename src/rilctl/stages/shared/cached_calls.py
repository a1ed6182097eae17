"""Requests -> call cache -> engine -> call cache: nothing is asked twice, across runs and after a kill.

Where an engine answers a batch, the unit is a chunk of requests: a chunk's new answers are stored in one transaction,
so an interrupted chunk is generated again as a whole and in the same batches. One whose answers come one by one is fed
instead; see `feeding`.
"""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError

from pydantic import JsonValue

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import (
    GenerationEngine,
    GenerationRequest,
    OneByOneEngine,
    Response,
)
from rilctl.errors import RowError
from rilctl.stages.shared.feeding import LOOK_S, PATIENCE_S, fed_responses
from rilctl.stages.shared.pending import Calls, ClaimingCalls, Pending, claimed, look_up
from rilctl.stages.shared.stored_responses import packed


def cached_responses(
    engine: GenerationEngine,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    *,
    chunk: int,
    on_chunk: Callable[[int], None],
    check_stop: Callable[[], object] = lambda: None,
) -> Generator[tuple[Response, ...] | RowError]:
    """Answer every request, in order, from the cache where it holds the answer.

    Args:
        engine: asked for what is missing; not at all where nothing is.
        cache: the workspace's call cache.
        requests: one response for each of their seeds; none is a valid number.
        sampling: how they are sampled.
        chunk: requests that are answered and stored together; positive. Of an engine that answers one by one, so many
            are on their way at once, and no more is waited for than the first of them.
        on_chunk: called with a number of requests when they are stored and yielded; may raise to stop.
        check_stop: called between the answers of an engine that gives them one by one; may raise to stop.

    Yields:
        For each request its responses by seed, or the `RowError` that keeps it from being answered (never cached).
    """
    if isinstance(engine, OneByOneEngine):
        yield from fed_responses(
            engine, cache, requests, sampling, most=chunk, on_answered=on_chunk, check_stop=check_stop
        )
        return
    for start in range(0, len(requests), chunk):
        some = requests[start : start + chunk]
        yield from answer_chunk(engine, cache, some, sampling, check_stop)
        on_chunk(len(some))


def answer_chunk(
    engine: GenerationEngine,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    check_stop: Callable[[], object] = lambda: None,
) -> list[tuple[Response, ...] | RowError]:
    """One chunk of `cached_responses`. What another command is asking for is waited for."""
    pending, known = look_up(engine.model_digest, cache, requests, sampling)
    if isinstance(cache, ClaimingCalls):
        _ask_beside_others(engine, cache, pending, known, sampling, check_stop)
    else:
        known |= _ask(engine, cache, pending, sampling)
    return [each.answer(known) for each in pending]


def _ask_beside_others(
    engine: GenerationEngine,
    cache: ClaimingCalls,
    pending: Sequence[Pending],
    known: dict[str, JsonValue],
    sampling: SamplingConfig,
    check_stop: Callable[[], object],
) -> None:
    """Add to `known` what nobody else is asking for, then what others had been; what they didn't get is asked for."""
    asked, moved = set[str](), time.monotonic()
    while left := {key for each in pending if not each.error for key in each.keys} - known.keys() - asked:
        try:
            own, came = claimed(cache, left, is_patient=time.monotonic() < moved + PATIENCE_S)
            known |= came
            for each in pending:
                each.missing = [i for i, key in enumerate(each.keys) if key in own]
            known |= _ask(engine, cache, pending, sampling)
        finally:
            cache.release()
        asked |= own
        if own or came:
            moved = time.monotonic()
        if not own:
            check_stop()
            time.sleep(LOOK_S)


def _ask(
    engine: GenerationEngine, cache: Calls, pending: Sequence[Pending], sampling: SamplingConfig
) -> dict[str, JsonValue]:
    """Ask for what is missing, and store it; an error is kept with its request."""
    asked = [each for each in pending if each.missing and not each.error]
    answers = engine.generate([each.fewer for each in asked], sampling) if asked else []
    new: dict[str, JsonValue] = {}
    for each, answer in zip(asked, answers, strict=True):
        if isinstance(answer, RowError):
            each.error = answer
        else:
            new |= {each.keys[i]: packed(r) for i, r in zip(each.missing, answer, strict=True)}
    cache.put_many(new)
    return new


class CachedGeneration:
    """A `GenerationEngine` with the call cache in front, for engines that ask on their own, as evaluation does.

    Args:
        engine: asked for what is missing.
        cache: the workspace's call cache.
        chunk: requests that are answered and stored together.
        on_begin: called with the number of requests of each call.
        on_chunk: as for `cached_responses`.
        check_stop: as for `cached_responses`.
    """

    def __init__(
        self,
        engine: GenerationEngine,
        cache: Calls,
        *,
        chunk: int,
        on_begin: Callable[[int], None],
        on_chunk: Callable[[int], None],
        check_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.model_name = engine.model_name
        self.model_digest = engine.model_digest
        self.rows_at_once = engine.rows_at_once
        self._engine, self._cache, self._chunk = engine, cache, chunk
        self._on_begin, self._on_chunk, self._check_stop = on_begin, on_chunk, check_stop
        self._is_closed = False

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`. Raises `CancelledError` once it is closed, by another thread as well."""
        self._on_begin(len(requests))
        answers = cached_responses(
            self._engine,
            self._cache,
            requests,
            sampling,
            chunk=self._chunk,
            on_chunk=self._after_chunk,
            check_stop=self._check_stop,
        )
        return list(answers)

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._is_closed = True
        self._engine.close()

    def _after_chunk(self, num: int) -> None:
        self._on_chunk(num)
        if self._is_closed:
            raise CancelledError
