"""Signs of life are given by a thread, which may be in the store's code when the process wants to end."""

from threading import Event
from typing import Self

import pytest

from rilctl.engines.training import signs
from rilctl.engines.training.signs import Signs
from rilctl.threads import LINGERING


class SlowStore:
    """A store that answers, until it is told to be slow."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self.answers, self.asked_in_vain = Event(), Event()
        self.answers.set()

    def clone(self) -> Self:
        return self

    def set(self, key: str, value: str) -> None:
        if not self.answers.is_set():
            self.asked_in_vain.set()
        self.answers.wait()
        self._values[key] = value

    def multi_get(self, keys: list[str]) -> list[str]:
        return [self._values[key] for key in keys]

    def check(self, keys: list[str]) -> bool:
        return all(key in self._values for key in keys)


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_thread_that_the_store_keeps_is_known_to_hang(is_slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "_LEAVE_S", 0.2 if is_slow else 60.0)
    store = SlowStore()
    given = Signs(store, 0, 1, beat_s=0.01, own=lambda: (False, 0.0))
    try:
        if is_slow:
            store.answers.clear()
            assert store.asked_in_vain.wait(60)
        given.end()
        assert ("signs" in LINGERING) is is_slow
    finally:
        store.answers.set()
        LINGERING.discard("signs")
