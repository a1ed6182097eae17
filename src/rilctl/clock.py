"""What each phase of a step takes. Every second belongs to one phase: to the innermost that is open.

The device isn't waited for, which would change what is measured: on a GPU the seconds of a phase are those after which
Python went on, and work that was launched in it may be waited for in a later one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

Phase = Literal[
    "loading",
    "pictures",
    "rollouts",
    "prefill",
    "sync",
    "discriminator update",
    "scoring",
    "turns",
    "judge wait",
    "reference",
    "policy update",
    "update",
    "validation",
    "checkpoint",
    "writing",
    "other",
]
"""As `--dry-run`, messages, `timings.jsonl` and the traces of a profile name them."""
Span = Callable[[str], AbstractContextManager[object]]


class Clock:
    """The seconds since it was last read, by phase."""

    def __init__(self) -> None:
        self._seconds: dict[Phase, float] = {}
        self._open: list[Phase] = ["other"]
        self._since = time.perf_counter()
        self.span: Span = lambda _: nullcontext()
        """What else is done around each phase, by a profiler."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """`timed` in this thread tells this clock."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)

    @contextmanager
    def inside(self, phase: Phase) -> Iterator[None]:
        """The time inside belongs to `phase`."""
        self._pass()
        self._open.append(phase)
        try:
            with self.span(phase):
                yield
        finally:
            self._pass()
            self._open.pop()

    def take(self) -> dict[str, float]:
        """Seconds since the last call by the phase's key in `timings.jsonl`; their sum is the time that passed."""
        self._pass()
        taken, self._seconds = self._seconds, {}
        return {key_of(phase): seconds for phase, seconds in taken.items()}

    def _pass(self) -> None:
        now, phase = time.perf_counter(), self._open[-1]
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._since
        self._since = now


_running: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def timed(phase: Phase) -> Iterator[None]:
    """What is done inside is a phase, for the clock that runs in this thread, if one does."""
    clock = _running.get()
    with clock.inside(phase) if clock else nullcontext():
        yield


def key_of(phase: Phase) -> str:
    """`policy_update_s`."""
    return f"{phase.replace(' ', '_')}_s"
