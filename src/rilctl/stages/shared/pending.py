"""What is asked and what of it the call cache holds; each response has its own key.

A key is made of the seed and not of how many there are: asking for 16 instead of 8 asks for 8 more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from rilctl.artifacts.calls import call_key
from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError
from rilctl.stages.shared.stored_responses import unpacked

_CALL = "generate-1"
"""Part of every key; raised when an answer's stored form or meaning changes."""


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

    def release(self, keys: Iterable[str] | None = None) -> None:
        """See `CallCache`."""


@dataclass
class Pending:
    """One request: the keys of its seeds, or why it has none."""

    request: GenerationRequest
    keys: tuple[str, ...] = ()
    error: RowError | None = None
    missing: list[int] = field(default_factory=list)
    """Indices into the seeds that the engine must be asked for."""

    def answer(self, known: Mapping[str, JsonValue]) -> tuple[Response, ...] | RowError:
        """Its responses by seed, or why it has none.

        Args:
            known: what is stored of all its responses, by key.
        """
        return self.error or tuple(unpacked(key, known[key]) for key in self.keys)

    @property
    def fewer(self) -> GenerationRequest:
        """The request with only those seeds."""
        return replace(self.request, seeds=tuple(self.request.seeds[index] for index in self.missing))


def missing_calls(
    model_digest: str, cache: Calls, request: GenerationRequest, sampling: SamplingConfig
) -> list[tuple[str, int]]:
    """(key, seed) of the answers that an engine with this digest would be asked for. Raises `RowError`."""
    ((each,), _) = look_up(model_digest, cache, [request], sampling)
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


def look_up(
    model_digest: str, cache: Calls, requests: Sequence[GenerationRequest], sampling: SamplingConfig
) -> tuple[list[Pending], dict[str, JsonValue]]:
    """Every request with what is missing of it, and what is stored, by key."""
    pending = [_with_keys(model_digest, request, sampling) for request in requests]
    known = cache.get_many([key for each in pending for key in each.keys])
    for each in pending:
        each.missing = [index for index, key in enumerate(each.keys) if key not in known]
    return pending, known


def claimed(cache: ClaimingCalls, keys: Collection[str], *, is_patient: bool) -> tuple[set[str], dict[str, JsonValue]]:
    """Which missing answers this process is to ask for, and which have come since it first looked.

    Claimed first and looked for then: what another command stores before it gives a claim up is seen here.

    Args:
        cache: the workspace's.
        keys: of the missing answers.
        is_patient: leave to others what they are asking for; else all that hasn't come is to be asked for here.

    Returns:
        The keys to ask for, and the answers that came, by key. The rest others are asking for.
    """
    own = cache.claim(keys) if is_patient else {*keys}
    found = cache.get_many([*keys])
    if is_patient:
        cache.release(own & found.keys())
    return own - found.keys(), found


def _with_keys(model_digest: str, request: GenerationRequest, sampling: SamplingConfig) -> Pending:
    try:
        return Pending(request, tuple(response_key(model_digest, request, sampling, seed) for seed in request.seeds))
    except RowError as error:
        return Pending(request, error=error)
