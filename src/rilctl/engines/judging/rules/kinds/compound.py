"""Quantities in two units: `1 h 45 min`, `5 feet 3 inches`."""

import re
from fractions import Fraction

_NUMBER = r"[0-9]{1,6}"
_PARTS = (
    (r"h|hrs?|hours?", r"m|mins?|minutes?", "h", 60),
    (r"m|mins?|minutes?", r"s|secs?|seconds?", "min", 60),
    (r"d|days?", r"h|hrs?|hours?", "day", 24),
    (r"ft|feet|foot|'", r"in|inch|inches|\"|''", "foot", 12),
    (r"lbs?|pounds?", r"oz|ounces?", "lb", 16),
    (r"dollars?", r"cents?", "dollar", 100),
    (r"euros?", r"cents?", "euro", 100),
)
_COMPOUND = re.compile(
    "|".join(
        rf"(?:(?P<one{i}>{_NUMBER})\s?-?(?:{one}),?\s?(?:and\s)?(?P<other{i}>{_NUMBER}(?:\.[0-9]{{1,3}})?)\s?-?(?:{other}))(?!\w)"
        for i, (one, other, _, _) in enumerate(_PARTS)
    ),
    re.IGNORECASE,
)
_DIGIT = re.compile(r"[0-9]")


def read_compound(text: str) -> tuple[Fraction, str] | None:
    """The value and unit of a (plain) text that is such a quantity and nothing else, or None."""
    if not text[:1].isdigit():
        return None
    match = _COMPOUND.fullmatch(text.rstrip(".,;:! "))
    return None if match is None else _value(match)


def span_of_compound(text: str) -> tuple[int, int] | None:
    """Where the only number of a sentence stands, if it is such a quantity."""
    match = _COMPOUND.search(text)
    if match is None or _DIGIT.search(text[: match.start()]) or _DIGIT.search(text[match.end() :]):
        return None
    return match.span()


def _value(match: re.Match[str]) -> tuple[Fraction, str] | None:
    for i, (_, _, unit, in_one) in enumerate(_PARTS):
        if match[f"one{i}"]:
            part = Fraction(match[f"other{i}"])
            return (Fraction(match[f"one{i}"]) + part / in_one, unit) if part < in_one else None
    return None
