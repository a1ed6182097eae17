"""While a model in this process samples: a signal is heard between two tokens, and a person sees that it works."""

import time

from rilctl.stages.shared.context import StageContext

_EVERY_S = 1.0
"""Seconds between two looks at the bar."""


class Pulse:
    """What engines are given as `between_tokens`.

    Args:
        context: the stage's surroundings.
        hears: whether a signal ends the batch that is under way; of several ranks that work together none may leave.
    """

    def __init__(self, context: StageContext, *, hears: bool = True) -> None:
        self.hears = hears
        self._context = context
        self._next_s = time.monotonic() + _EVERY_S

    def __call__(self, num_tokens: int) -> None:
        """Told how many tokens the batch has. Raises `InterruptedByUser` if a signal came."""
        if self.hears:
            self._context.check_stop()
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _EVERY_S
            self._context.reporter.advance(0, metrics={"token": float(num_tokens)} if num_tokens else {})
