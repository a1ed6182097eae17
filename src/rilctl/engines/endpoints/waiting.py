"""A server that isn't up yet, or has gone away: said at once, and looked for up to the recipe's limit."""

import re
import threading
import time
from collections.abc import Callable

_LONGEST_PAUSE_S = 5.0
_TICK_S = 0.1
"""How soon a signal is noticed."""
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class Waiting:
    """How long one server has been waited for; threads may share it.

    Args:
        what: which server, as a person reads it: `the judge at http://…`.
        limit_s: longest wait; the count begins anew when it has been up.
        warn: told what is waited for, why and how long.
        check_stop: called often; what it raises ends the wait.
        say_every_s: time between two lines about one wait.
    """

    def __init__(
        self,
        what: str,
        limit_s: float,
        warn: Callable[[str], object],
        check_stop: Callable[[], object],
        *,
        say_every_s: float = 30.0,
    ) -> None:
        self._what, self._limit_s, self._warn, self._check_stop = what, limit_s, warn, check_stop
        self._say_every_s = say_every_s
        self._lock = threading.Lock()
        self._since: float | None = None
        self._up_at = float("-inf")
        self._said = 0.0

    def once_more(
        self, why: str, asked_at: float, *, pause_s: float = 0.0, check_stop: Callable[[], object] = lambda: None
    ) -> bool:
        """Let a moment pass; False: the limit is over.

        Args:
            why: how it shows that nobody is there, in a few words.
            asked_at: when that was looked for, on the monotonic clock; before the server was up it says nothing.
            pause_s: as long as this at least, where the server asks for it.
            check_stop: the caller's own, beside the one that all share.
        """
        left_s, waited_s = self._note(why, asked_at)
        if left_s <= 0:
            return False
        end = time.monotonic() + min(left_s, max(pause_s, min(_LONGEST_PAUSE_S, 0.1 + waited_s / 4)))
        while (rest_s := end - time.monotonic()) > 0:
            self._check_stop()
            check_stop()
            time.sleep(min(_TICK_S, rest_s))
        return True

    def is_up(self) -> None:
        """Somebody answers; said where it was waited for."""
        with self._lock:
            if self._since is not None:
                self._up_at = time.monotonic()
                self._warn(f"{self._what} is up after {_duration(self._up_at - self._since)}")
            self._since = None

    def _note(self, why: str, asked_at: float) -> tuple[float, float]:
        """Seconds left and seconds gone."""
        with self._lock:
            now = time.monotonic()
            if asked_at < self._up_at:
                return self._limit_s, 0.0
            if self._since is None:
                self._since = self._said = now
                self._warn(f"waiting for {self._what} ({why}), up to {_duration(self._limit_s)}; Ctrl-C stops")
            elif now - self._said >= self._say_every_s:
                self._said = now
                waited = f"{_duration(now - self._since)} of {_duration(self._limit_s)}"
                self._warn(f"still waiting for {self._what} ({why}), {waited}")
            waited_s = now - self._since
            return self._limit_s - waited_s, waited_s


def in_words(error: Exception) -> str:
    """Why there is no connection, as a person reads it: `connection refused`, `name or service not known`."""
    text = _ERRNO.sub("", str(error)) or type(error).__name__
    return text[0].lower() + text[1:]


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
