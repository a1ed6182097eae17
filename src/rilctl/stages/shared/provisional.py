"""Verdicts that don't count yet, since no check of the judge covers them: in memory until one does."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache


class ProvisionalCalls:
    """The `ClaimingCalls` of a judge under watch: what it answers is stored, for others and later runs, once confirmed.

    A check says how the judge is at that time. So it covers what this process was told before it, and nothing that
    another one was: what a process hadn't confirmed when it ended is asked for again.

    Args:
        cache: the workspace's call cache.
    """

    def __init__(self, cache: CallCache) -> None:
        self._cache = cache
        self._pending: dict[str, JsonValue] = {}

    @property
    def num_pending(self) -> int:
        """See `Provisional`."""
        return len(self._pending)

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """See `CallCache`."""
        return self._cache.get_many(keys) | {key: self._pending[key] for key in keys if key in self._pending}

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """See `CallCache`."""
        self._pending |= answers

    def forget(self, keys: Sequence[str]) -> None:
        """Answers that hold no verdict: another one is asked for next time."""
        for key in keys:
            self._pending.pop(key, None)

    def claim(self, keys: Iterable[str]) -> set[str]:
        """See `CallCache`."""
        return self._cache.claim(keys)

    def release(self, keys: Iterable[str] | None = None) -> None:
        """See `CallCache`."""
        self._cache.release(keys)

    def confirm(self) -> None:
        """See `Provisional`."""
        self._cache.put_many(self._pending)
        self._pending = {}

    def drop(self) -> None:
        """See `Provisional`."""
        self._pending = {}
