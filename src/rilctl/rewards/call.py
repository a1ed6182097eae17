"""A reward put to rows, and what it gives checked: a number or None for each row, or an error that names the row."""

from collections.abc import Sequence
from math import isfinite
from numbers import Real

from rilctl.errors import RilctlError
from rilctl.rewards.base import RewardRow, Score
from rilctl.rewards.source import describe

_HINT = "the same command goes on from the last checkpoint; with another file it is another run, for another `--out`"
_MAX_CHARS = 60


def score_rows(name: str, score: Score, rows: Sequence[RewardRow]) -> list[float | None]:
    """What a reward gives for each row; None: no verdict.

    Args:
        name: the reward's, for messages.
        score: what computes it.
        rows: at least one.

    Raises:
        RilctlError: it raises, gives another number of values than there are rows, or what is no finite number.
    """
    values = _call(name, score, rows)
    if len(values) != len(rows):
        raise RilctlError(
            f"reward `{name}` gave {len(values)} values for {len(rows)} rows, from {named(rows[0])} on",
            hint=f"it must give one for each row, None where it can't tell; {_HINT}",
        )
    return [_number(name, value, row) for value, row in zip(values, rows, strict=True)]


def named(row: RewardRow) -> str:
    """A row as a person finds it again."""
    text = row.response if len(row.response) <= _MAX_CHARS else f"{row.response[:_MAX_CHARS]}…"
    return f"question `{row.sample_id}`, response {text!r}"


def _call(name: str, score: Score, rows: Sequence[RewardRow]) -> list[object]:
    try:
        return list(score(rows))
    except (Exception, SystemExit) as error:
        where = f"{len(rows)} rows together, the first of {named(rows[0])}"
        if (culprit := _culprit(score, rows)) is not None:
            where = named(culprit)
        raise RilctlError(f"reward `{name}` failed: {describe(error)}; on {where}", hint=_HINT) from error


def _culprit(score: Score, rows: Sequence[RewardRow]) -> RewardRow | None:
    """The first row that fails alone as well."""
    for row in rows:
        try:
            list(score([row]))
        except (Exception, SystemExit):
            return row
    return None


def _number(name: str, value: object, row: RewardRow) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real):
        raise RilctlError(f"reward `{name}` gave {type(value).__name__}, no number, for {named(row)}", hint=_HINT)
    number = float(value)
    if not isfinite(number):
        raise RilctlError(
            f"reward `{name}` gave {number} for {named(row)}", hint=f"None says that it can't tell; {_HINT}"
        )
    return number
