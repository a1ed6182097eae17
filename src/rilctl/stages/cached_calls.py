"""Requests -> call cache -> engine -> call cache: nothing is asked twice, across runs and after a kill.

The unit is a chunk of requests: a chunk's new answers are stored in one transaction, so an interrupted chunk is
generated again as a whole and in the same batches. Each response has its own key, made of its seed and not of how many
there are: asking for 16 instead of 8 asks for 8 more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache, call_key
from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.errors import RowError

_CALL = "generate-1"
"""Part of every key; raised when an answer's stored form or meaning changes."""


def cached_responses(
    engine: GenerationEngine,
    cache: CallCache,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
    *,
    chunk: int,
    on_chunk: Callable[[int], None],
) -> Iterator[tuple[Response, ...] | RowError]:
    """Answer every request, in order, from the cache where it holds the answer.

    Args:
        engine: asked for what is missing; not at all where nothing is.
        cache: the workspace's call cache.
        requests: one response for each of their seeds; none is a valid number.
        sampling: how they are sampled.
        chunk: requests that are answered and stored together; positive.
        on_chunk: called with the number of requests of a chunk when it is stored and yielded; may raise to stop.

    Yields:
        For each request its responses by seed, or the `RowError` that keeps it from being answered (never cached).
    """
    for start in range(0, len(requests), chunk):
        some = requests[start : start + chunk]
        yield from _answer_chunk(engine, cache, some, sampling)
        on_chunk(len(some))


@dataclass
class _Pending:
    """One request of a chunk: the keys of its seeds, or why it has none."""

    request: GenerationRequest
    keys: tuple[str, ...] = ()
    error: RowError | None = None
    missing: list[int] = field(default_factory=list)
    """Indices into the seeds that the engine must be asked for."""


def _answer_chunk(
    engine: GenerationEngine, cache: CallCache, requests: Sequence[GenerationRequest], sampling: SamplingConfig
) -> list[tuple[Response, ...] | RowError]:
    pending = [_with_keys(engine.model_digest, request, sampling) for request in requests]
    known = cache.get_many([key for each in pending for key in each.keys])
    for each in pending:
        each.missing = [index for index, key in enumerate(each.keys) if key not in known]
    asked = [each for each in pending if each.missing]
    if asked:
        fewer = [replace(a.request, seeds=tuple(a.request.seeds[index] for index in a.missing)) for a in asked]
        new: dict[str, JsonValue] = {}
        for each, answer in zip(asked, engine.generate(fewer, sampling), strict=True):
            if isinstance(answer, RowError):
                each.error = answer
            else:
                new |= {each.keys[i]: _packed(r) for i, r in zip(each.missing, answer, strict=True)}
        cache.put_many(new)
        known |= new
    return [each.error or tuple(_unpacked(known[key]) for key in each.keys) for each in pending]


def _with_keys(model_digest: str, request: GenerationRequest, sampling: SamplingConfig) -> _Pending:
    """The identity of a response: weights, question, pictures, sampling and seed; no name or path of any of them."""
    try:
        images: list[JsonValue] = [image.digest for image in request.images]
    except RowError as error:
        return _Pending(request, error=error)
    call: dict[str, JsonValue] = {
        "call": _CALL,
        "model": model_digest,
        "question": request.question,
        "images": images,
        "sampling": sampling.model_dump(mode="json"),
    }
    try:
        return _Pending(request, keys=tuple(call_key({**call, "seed": seed}) for seed in request.seeds))
    except UnicodeEncodeError:
        message = f"the question of `{request.sample_id}` has characters that are no text"
        return _Pending(request, error=RowError("text-invalid", message))


def _packed(response: Response) -> JsonValue:
    return {
        "text": response.text,
        "token_ids": list(response.token_ids),
        "finish_reason": response.finish_reason,
        "sampling_logprobs": list(response.sampling_logprobs),
    }


def _unpacked(value: JsonValue) -> Response:
    """A response as `_packed` stored it; the cache is ours, and its layout is in the key."""
    stored: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
    return Response(
        text=stored["text"],
        token_ids=tuple(stored["token_ids"]),
        finish_reason=stored["finish_reason"],
        sampling_logprobs=tuple(stored["sampling_logprobs"]),
    )


class CachedGeneration:
    """A `GenerationEngine` with the call cache in front, for engines that ask on their own, as evaluation does.

    Args:
        engine: asked for what is missing.
        cache: the workspace's call cache.
        chunk: requests that are answered and stored together.
        on_begin: called with the number of requests of each call.
        on_chunk: as for `cached_responses`.
    """

    def __init__(
        self,
        engine: GenerationEngine,
        cache: CallCache,
        *,
        chunk: int,
        on_begin: Callable[[int], None],
        on_chunk: Callable[[int], None],
    ) -> None:
        self.model_name = engine.model_name
        self.model_digest = engine.model_digest
        self._engine, self._cache, self._chunk = engine, cache, chunk
        self._on_begin, self._on_chunk = on_begin, on_chunk

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        self._on_begin(len(requests))
        answers = cached_responses(
            self._engine, self._cache, requests, sampling, chunk=self._chunk, on_chunk=self._on_chunk
        )
        return list(answers)

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._engine.close()
