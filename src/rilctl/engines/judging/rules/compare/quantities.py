"""Whether two quantities are the same: exact arithmetic, units converted by pint."""

from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from rilctl.engines.judging.rules.kinds.quantity import Quantity

_MAX_BITS = 900
"""Of a number that is converted, above and below its line: what fits a float."""
_ELECTRIC = {"degC": "coulomb", "degF": "farad"}
_ROUNDING = 1e-12
"""Relative; pint's factors are floats, a few of which are multiplied."""


def same_quantity(truth: Quantity, given: Quantity, tolerance: float = 0.0, *, percent: bool = False) -> bool:
    """Whether two quantities are equal within the relative `tolerance` (of the truth).

    Args:
        truth: a unit that only one of them names doesn't count.
        given: `50%` is the fraction `0.5` of a truth without a sign, and its bare number where `percent`.
        tolerance: 0 compares exactly.
        percent: whether the question asks for a percentage.
    """
    if truth.digits.startswith("0") and truth.digits.isdigit() and len(truth.digits) > 2:  # a code: 02139
        return given.digits == truth.digits
    if truth.unit == given.unit:
        return _close(truth.value, given.value, tolerance)
    if truth.unit == "%":
        return given.unit == "" and (
            _close(truth.value, given.value, tolerance) or _close(truth.value / 100, given.value, tolerance)
        )
    if given.unit == "%":
        return truth.unit == "" and _close(truth.value, given.value if percent else given.value / 100, tolerance)
    degrees = {truth.unit, given.unit}
    if not truth.unit or not given.unit or degrees in ({"degree", "degC"}, {"degree", "degF"}):
        return _close(truth.value, given.value, tolerance)
    if given.unit.startswith(f"{truth.unit} ") or truth.unit.startswith(f"{given.unit} "):  # `cm long`
        return _close(truth.value, given.value, tolerance)
    return _same_converted(truth, given, tolerance)


def same_rounded(one: Quantity, other: Quantity) -> bool:
    """Whether two numbers are the same when both have the decimals of the one that has fewer; units don't count."""
    decimals = min(len(each.digits.partition(".")[2]) for each in (one, other))
    return round(one.value, decimals) == round(other.value, decimals)


def same_unit(one: str, other: str) -> bool:
    """Whether two units are one, by whatever name: `cm` and `centimeter`."""
    return one == other or ((read := _parsed(one)) is not None and read == _parsed(other))


def _close(truth: Fraction, given: Fraction, tolerance: float) -> bool:
    return truth == given or (tolerance > 0 and abs(truth - given) <= abs(truth) * Fraction(tolerance))


def _same_converted(truth: Quantity, given: Quantity, tolerance: float) -> bool:
    to, of = _parsed(truth.unit), _parsed(given.unit)
    if to is None or of is None:
        return False
    if to.dimensionality != of.dimensionality:
        to, of = _electric(truth.unit, of) or to, _electric(given.unit, to) or of
    if to.dimensionality != of.dimensionality:
        return False
    if max(_size(truth.value), _size(given.value)) > _MAX_BITS:
        return False
    try:
        converted = _registry().Quantity(float(given.value), of).to(to).magnitude
    except (ArithmeticError, TypeError, ValueError):
        return False
    wanted = float(truth.value)
    return bool(abs(wanted - converted) <= abs(wanted) * max(tolerance, _ROUNDING))


def _electric(unit: str, other: Any) -> Any:
    """`C` and `F` beside microcoulombs and microfarads, where they are no degrees; None elsewhere."""
    electric = _parsed(_ELECTRIC[unit]) if unit in _ELECTRIC else None
    return electric if electric is not None and electric.dimensionality == other.dimensionality else None


def _size(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


@cache
def _registry() -> Any:
    import pint  # half a second, and most answers need none

    return pint.UnitRegistry(cache_folder=None)


@lru_cache(maxsize=1024)
def _parsed(unit: str) -> Any:
    """Pint's unit, None where it knows none of that name, in this letter case."""
    word = unit.split(" ", 1)[0]
    if not word or len(word) > 30 or not all(c.isalnum() or c in "/^·°µΩ" for c in word) or word.count("^") > 2:
        return None
    import pint

    try:
        return _registry().parse_units(word.replace("^", "**").replace("·", "*"))
    except (pint.errors.PintError, ArithmeticError, AttributeError, TypeError, ValueError, AssertionError, SyntaxError):
        return None
