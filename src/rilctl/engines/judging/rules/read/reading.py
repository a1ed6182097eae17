"""What was read of a response."""

import re
from dataclasses import dataclass
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.statements import bare_forms

NOTHING = "no readable answer"
SEVERAL_CANDIDATES = "several candidates"
_BECAUSE = re.compile(r"[,;.]?\s*(?:because|since|as)\s([^.;\n]{1,200})", re.IGNORECASE)


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


def reasons_otherwise(value: Any, rest: str, kind: Kind) -> bool:
    """Whether the reason behind a letter, a yes or a no is another answer: `B, because it has 6 faces`."""
    reason = _BECAUSE.match(rest) if kind.is_closed else None
    others = [kind.whole(form) for form in bare_forms(reason[1])] if reason else []
    return any(other is not None and other is not SEVERAL and not kind.same(value, other) for other in others)
