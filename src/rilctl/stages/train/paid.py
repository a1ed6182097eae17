"""Answers that one rank was given, until all ranks meet again."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.stages.shared.pending import call_keys
from rilctl.stages.shared.ranked import RankedCalls


class PaidCalls:
    """The `Calls` of one rank, which asks beside others, and can't meet them before it is done.

    Nothing is on disk before a check of the judge has covered it; see `ProvisionalCalls`, which rank 0 has.

    Args:
        shared: the call cache of all ranks.
        model_digest: of what is asked.
    """

    def __init__(self, shared: RankedCalls, model_digest: str) -> None:
        self._shared, self._model_digest = shared, model_digest
        self._known: dict[str, JsonValue] = {}
        self._new: dict[str, JsonValue] = {}

    def look_up(self, calls: Sequence[tuple[GenerationRequest, SamplingConfig]]) -> None:
        """Learn what was answered before, of what may be asked until `settle`. Collective."""
        self._known = self._shared.get_many(call_keys(self._model_digest, calls))

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """See `CallCache`."""
        return {key: self._known[key] for key in keys if key in self._known}

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """See `CallCache`."""
        self._known |= answers
        self._new |= answers

    def settle(self) -> None:
        """Tell rank 0 everything that came. Collective."""
        self._shared.put_many(self._new)
        self._new = {}

    def forget(self, keys: Sequence[str]) -> None:
        """Answers that hold no verdict: another one is asked for next time."""
        for key in keys:
            self._new.pop(key, None)
