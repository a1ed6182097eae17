"""Verdicts in the call cache that don't count yet: no check of the judge covers them."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache


class ProvisionalCalls:
    """The `ClaimingCalls` of a judge under watch: what it answers counts, for others and later runs, once confirmed.

    Provisional answers of another process, or of one that was killed, are taken as if they had just come: they are paid
    for, and count if this process's next check is clean, or are dropped if it isn't.

    Args:
        cache: the workspace's call cache.
    """

    def __init__(self, cache: CallCache) -> None:
        self._cache = cache
        self._pending: set[str] = set()

    @property
    def num_pending(self) -> int:
        """See `Provisional`."""
        return len(self._pending)

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """See `CallCache`."""
        found = self._cache.get_many(keys)
        provisional = self._cache.get_provisional([key for key in keys if key not in found])
        self._pending |= provisional.keys()
        return found | provisional

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """See `CallCache`."""
        self._cache.put_provisional(answers)
        self._pending |= answers.keys()

    def forget(self, keys: Sequence[str]) -> None:
        """Answers that hold no verdict: another one is asked for next time."""
        self._cache.drop(keys)
        self._pending.difference_update(keys)

    def claim(self, keys: Iterable[str]) -> set[str]:
        """See `CallCache`."""
        return self._cache.claim(keys)

    def release(self) -> None:
        """See `CallCache`."""
        self._cache.release()

    def confirm(self) -> None:
        """See `Provisional`."""
        self._cache.confirm(self._pending)
        self._pending = set()

    def drop(self) -> None:
        """See `Provisional`."""
        self._cache.drop(self._pending)
        self._pending = set()
