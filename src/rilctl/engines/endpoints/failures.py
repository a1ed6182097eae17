"""What can go wrong between a question and its answer, and how long to wait before asking again."""

import email.utils
import time
from datetime import UTC

MAX_PAUSE_S = 60.0
"""Longest pause before another attempt, whatever a server asks for."""


class Retriable(Exception):
    """An attempt failed in a way that another may not.

    Args:
        reason: a short stable code, recorded if all attempts fail.
        message: what happened, without any secret.
        pause_s: what the server asked for by `Retry-After`; None where it said nothing.
        absent: how it shows that nobody is there, so that no question is to blame; None: somebody is.
    """

    def __init__(self, reason: str, message: str, *, pause_s: float | None = None, absent: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.pause_s = pause_s
        self.absent = absent


def read_retry_after(value: str | None) -> float | None:
    """Seconds to wait: from a number of seconds or an HTTP date, at most `MAX_PAUSE_S`; None for anything else."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
            seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - time.time()
        except (ValueError, OverflowError):  # no date, or one that no calendar has
            return None
    return min(max(seconds, 0.0), MAX_PAUSE_S) if seconds == seconds else None
