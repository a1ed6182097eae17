"""What was read of a response."""

from dataclasses import dataclass
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL

NOTHING = "no readable answer"
SEVERAL_CANDIDATES = "several candidates"


@dataclass(frozen=True)
class Reading:
    """What a response says in the end.

    Args:
        value: of the kind that was asked for; None where there is no readable answer.
        text: where it was read.
        reason: why there is none.
    """

    value: Any
    text: str | None
    reason: str = ""


def reading(value: Any, shown: str | None) -> Reading:
    """A value, or why there is none."""
    if value is SEVERAL:
        return Reading(None, shown, SEVERAL_CANDIDATES)
    return Reading(value, shown, "" if value is not None else NOTHING)
