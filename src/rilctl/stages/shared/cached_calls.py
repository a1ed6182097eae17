"""Requests -> call cache -> engine -> call cache: nothing is asked twice, across runs and after a kill.

The unit is a chunk of requests: a chunk's new answers are stored in one transaction, so an interrupted chunk is
generated again as a whole and in the same batches. Where answers come one by one, what has come is stored before
anything new is asked: it is paid for. Each response has its own key, made of its seed and not of how many
there are: asking for 16 instead of 8 asks for 8 more.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from rilctl.artifacts.calls import call_key
from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import (
    GenerationEngine,
    GenerationRequest,
    OneByOneEngine,
    Response,
)
from rilctl.errors import RowError
from rilctl.stages.shared.stored_responses import packed, unpacked

_CALL = "generate-1"
"""Part of every key; raised when an answer's stored form or meaning changes."""
_PATIENCE_S = 600.0
"""How long to wait where no answer comes of another process, which may stand still; then it isn't waited for."""
_LOOK_S = 0.2


class Calls(Protocol):
    """What is asked of the call cache."""

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """See `CallCache`."""

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """See `CallCache`."""


@runtime_checkable
class ClaimingCalls(Calls, Protocol):
    """One that other commands ask for the same at the same time."""

    def claim(self, keys: Iterable[str]) -> set[str]:
        """See `CallCache`."""

    def release(self) -> None:
        """See `CallCache`."""


def cached_responses(
    engine: GenerationEngine,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    *,
    chunk: int,
    on_chunk: Callable[[int], None],
    check_stop: Callable[[], object] = lambda: None,
) -> Iterator[tuple[Response, ...] | RowError]:
    """Answer every request, in order, from the cache where it holds the answer.

    Args:
        engine: asked for what is missing; not at all where nothing is.
        cache: the workspace's call cache.
        requests: one response for each of their seeds; none is a valid number.
        sampling: how they are sampled.
        chunk: requests that are answered and stored together; positive.
        on_chunk: called with the number of requests of a chunk when it is stored and yielded; may raise to stop.
        check_stop: called between the answers of an engine that gives them one by one; may raise to stop.

    Yields:
        For each request its responses by seed, or the `RowError` that keeps it from being answered (never cached).
    """
    for start in range(0, len(requests), chunk):
        some = requests[start : start + chunk]
        yield from answer_chunk(engine, cache, some, sampling, check_stop)
        on_chunk(len(some))


@dataclass
class _Pending:
    """One request of a chunk: the keys of its seeds, or why it has none."""

    request: GenerationRequest
    keys: tuple[str, ...] = ()
    error: RowError | None = None
    missing: list[int] = field(default_factory=list)
    """Indices into the seeds that the engine must be asked for."""

    @property
    def fewer(self) -> GenerationRequest:
        """The request with only those seeds."""
        return replace(self.request, seeds=tuple(self.request.seeds[index] for index in self.missing))


def missing_calls(
    model_digest: str, cache: Calls, request: GenerationRequest, sampling: SamplingConfig
) -> list[tuple[str, int]]:
    """(key, seed) of the answers that an engine with this digest would be asked for. Raises `RowError`."""
    ((each,), _) = _look_up(model_digest, cache, [request], sampling)
    if each.error is not None:
        raise each.error
    return [(each.keys[index], request.seeds[index]) for index in each.missing]


def response_key(model_digest: str, request: GenerationRequest, sampling: SamplingConfig, seed: int) -> str:
    """The identity of one response: weights, what is asked, sampling and seed; no name or path of any of them.

    Raises:
        RowError: a picture can't be read, or the question is no text.
    """
    call: dict[str, JsonValue] = {
        "call": _CALL,
        "model": model_digest,
        "question": request.question,
        "images": [*request.conversation.image_digests],
        "sampling": sampling.model_dump(mode="json"),
        "seed": seed,
    }
    if context := request.conversation.context:
        call["context"] = [[turn.role, turn.text] for turn in context]
    try:
        return call_key(call)
    except UnicodeEncodeError:
        raise RowError(
            "text-invalid", f"the question of `{request.sample_id}` has characters that are no text"
        ) from None


def call_keys(model_digest: str, calls: Iterable[tuple[GenerationRequest, SamplingConfig]]) -> list[str]:
    """The keys of everything that may be asked; of what can't be asked there are none, as it is met again then."""
    keys = []
    for request, sampling in calls:
        with suppress(RowError):
            keys += [response_key(model_digest, request, sampling, seed) for seed in request.seeds]
    return keys


def _look_up(
    model_digest: str, cache: Calls, requests: Sequence[GenerationRequest], sampling: SamplingConfig
) -> tuple[list[_Pending], dict[str, JsonValue]]:
    pending = [_with_keys(model_digest, request, sampling) for request in requests]
    known = cache.get_many([key for each in pending for key in each.keys])
    for each in pending:
        each.missing = [index for index, key in enumerate(each.keys) if key not in known]
    return pending, known


def answer_chunk(
    engine: GenerationEngine,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    check_stop: Callable[[], object] = lambda: None,
) -> list[tuple[Response, ...] | RowError]:
    """One chunk of `cached_responses`. What another command is asking for is waited for."""
    pending, known = _look_up(engine.model_digest, cache, requests, sampling)
    if isinstance(cache, ClaimingCalls):
        _ask_beside_others(engine, cache, pending, known, sampling, check_stop)
    else:
        known |= _ask(engine, cache, pending, sampling, check_stop)
    return [each.error or tuple(unpacked(key, known[key]) for key in each.keys) for each in pending]


def _ask_beside_others(
    engine: GenerationEngine,
    cache: ClaimingCalls,
    pending: Sequence[_Pending],
    known: dict[str, JsonValue],
    sampling: SamplingConfig,
    check_stop: Callable[[], object],
) -> None:
    """Add to `known` what nobody else is asking for, then what others had been; what they didn't get is asked for."""
    asked, moved = set[str](), time.monotonic()
    while left := {key for each in pending if not each.error for key in each.keys} - known.keys() - asked:
        own = cache.claim(left) if time.monotonic() < moved + _PATIENCE_S else left
        try:
            known |= cache.get_many([*left])  # it may have come since the first look
            for each in pending:
                each.missing = [i for i, key in enumerate(each.keys) if key in own and key not in known]
            known |= _ask(engine, cache, pending, sampling, check_stop)
        finally:
            cache.release()
        asked |= own
        if own or left & known.keys():
            moved = time.monotonic()
        if not own:
            check_stop()
            time.sleep(_LOOK_S)


def _ask(
    engine: GenerationEngine,
    cache: Calls,
    pending: Sequence[_Pending],
    sampling: SamplingConfig,
    check_stop: Callable[[], object],
) -> dict[str, JsonValue]:
    """Ask for what is missing, and store it; an error is kept with its request."""
    asked = [each for each in pending if each.missing and not each.error]
    if asked and isinstance(engine, OneByOneEngine):
        return _ask_one_by_one(engine, cache, asked, sampling, check_stop)
    return _ask_together(engine, cache, asked, sampling)


def _ask_together(
    engine: GenerationEngine, cache: Calls, asked: Sequence[_Pending], sampling: SamplingConfig
) -> dict[str, JsonValue]:
    new: dict[str, JsonValue] = {}
    answers = engine.generate([each.fewer for each in asked], sampling) if asked else []
    for each, answer in zip(asked, answers, strict=True):
        if isinstance(answer, RowError):
            each.error = answer
        else:
            new |= {each.keys[i]: packed(r) for i, r in zip(each.missing, answer, strict=True)}
    cache.put_many(new)
    return new


def _ask_one_by_one(
    engine: OneByOneEngine,
    cache: Calls,
    asked: Sequence[_Pending],
    sampling: SamplingConfig,
    check_stop: Callable[[], object],
) -> dict[str, JsonValue]:
    new: dict[str, JsonValue] = {}

    def keep(came: Mapping[tuple[int, int], Response]) -> None:
        answers = {asked[at].keys[asked[at].missing[seed]]: packed(response) for (at, seed), response in came.items()}
        cache.put_many(answers)
        new.update(answers)

    errors = engine.generate_each([each.fewer for each in asked], sampling, keep=keep, check_stop=check_stop)
    for each, error in zip(asked, errors, strict=True):
        each.error = error
    return new


def _with_keys(model_digest: str, request: GenerationRequest, sampling: SamplingConfig) -> _Pending:
    try:
        return _Pending(request, tuple(response_key(model_digest, request, sampling, seed) for seed in request.seeds))
    except RowError as error:
        return _Pending(request, error=error)


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
