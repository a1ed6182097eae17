"""Answers that one rank paid for: on disk as they come, and in the call cache when all ranks meet again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.layout import naming, write_atomic
from rilctl.artifacts.sealed_lines import read_sealed_lines, sealed_line
from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.stages.shared.cached_calls import call_keys
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.stages.shared.ranked import RankedCalls

_NAMES = "paid-*.jsonl"
_DISTRUSTED = "paid-distrusted"


class PaidCalls:
    """The `Calls` of one rank, which asks beside others, and can't meet them before it is done.

    Args:
        directory: the run's scratch directory.
        rank: of this process, which has a file of its own.
        shared: the call cache of all ranks.
        model_digest: of what is asked.
    """

    def __init__(self, directory: Path, rank: int, shared: RankedCalls, model_digest: str) -> None:
        self._path = directory / f"paid-{rank:05d}.jsonl"
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
        """See `CallCache`; they are in this rank's file when it returns."""
        if answers:
            with naming(self._path), self._path.open("a", encoding="utf-8") as file:
                file.write(sealed_line(json.dumps(dict(answers))))
            self._known |= answers
            self._new |= answers

    def settle(self) -> None:
        """Put everything that came into the call cache. Collective."""
        self._shared.put_many(self._new)
        self._path.unlink(missing_ok=True)
        self._new = {}

    def forget(self, keys: Sequence[str]) -> None:
        """Answers that hold no verdict: another one is asked for next time."""
        for key in keys:
            self._new.pop(key, None)


def recover(directory: Path, cache: CallCache) -> None:
    """Put what ranks had paid for before a kill into the call cache; by one process, before any asks.

    No check of the judge covers it: it is provisional. After a check that failed it is dropped.

    Raises:
        ArtifactError: an answer isn't as it was stored.
    """
    is_distrusted = (directory / _DISTRUSTED).exists()
    for path in sorted(directory.glob(_NAMES)):
        for value in read_sealed_lines(path) if not is_distrusted else ():
            cache.put_provisional(json.loads(value))
        path.unlink()
    (directory / _DISTRUSTED).unlink(missing_ok=True)


class ProvisionalOfRanks:
    """`Provisional` of all ranks, for rank 0: what they haven't put into the call cache is dropped as well.

    Args:
        directory: the run's scratch directory.
        calls: rank 0's, which have all that was put.
    """

    def __init__(self, directory: Path, calls: ProvisionalCalls) -> None:
        self._directory, self._calls = directory, calls

    @property
    def num_pending(self) -> int:
        """See `Provisional`."""
        return self._calls.num_pending

    def confirm(self) -> None:
        """See `Provisional`."""
        self._calls.confirm()

    def drop(self) -> None:
        """See `Provisional`. Other ranks may still be told something: `recover` drops that."""
        self._calls.drop()
        write_atomic(self._directory / _DISTRUSTED, b"")
