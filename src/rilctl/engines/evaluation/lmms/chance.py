"""What lmms-eval draws at random where it can't read a response: seen, and the same as in its own command."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rilctl.private.lmms_eval import guessing_with


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, draws change nothing of what is drawn after it.

    lmms-eval seeds `random` once and scores each document once; whatever we do besides must leave no trace in there.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Gives a list that grows whenever one of lmms-eval's parsers guesses."""
    drawn: list[str] = []
    with guessing_with(_Watching(drawn)):
        yield drawn


class _Watching:
    """`random`, telling when an option is drawn."""

    def __init__(self, drawn: list[str]) -> None:
        self._drawn = drawn

    def __getattr__(self, name: str) -> Any:
        if name in ("choice", "randint"):
            self._drawn.append(name)
        return getattr(random, name)
