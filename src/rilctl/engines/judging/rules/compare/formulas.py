"""Whether two formulas are the same: as expressions, equations, inequalities, sets, vectors and matrices.

Expressions are equal where they have the same value at a few places; two that aren't don't by accident. Equations are
equal up to a factor, inequalities up to a positive one.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from rilctl.engines.judging.rules.compare.trees import read_tree, squeezed
from rilctl.engines.judging.rules.compare.values import NoValueError, value_at

_PLACES = (0.7390851332151607, 1.618033988749895, 2.302585092994046, 3.359885666243177)
_STEP = 0.3719
"""Between the values of one place's unknowns."""
_AGREE = 1e-9
"""Relative; what is left of 15 digits after some operations."""
_DECIMAL = re.compile(r"-?[0-9]*\.[0-9]+")
_IRRATIONAL = re.compile(r"√|sqrt|π|pi|log|ln|sin|cos|tan|e\^|exp")
_MAX_PARTS = 50


@lru_cache(maxsize=2048)
def same_formula(truth: str, given: str) -> bool:
    """Whether two formulas are equal.

    Args:
        truth: LaTeX, or what people type.
        given: the same, of any origin.
    """
    if not truth or not given:
        return False
    if squeezed(truth) == squeezed(given):
        return True
    if _is_rounded(truth, given):
        return False
    one, other = read_tree(truth), read_tree(given)
    try:
        return one is not None and other is not None and _same(one, other)
    except (NoValueError, RecursionError):
        return False


def _is_rounded(truth: str, given: str) -> bool:
    """Whether only one is a decimal, of a number that none equals."""
    decimal = [_DECIMAL.fullmatch(text.strip("$ ")) is not None for text in (truth, given)]
    return any(decimal) and not all(decimal) and _IRRATIONAL.search(truth + given) is not None


def _same(one: Any, other: Any) -> bool:
    import sympy

    if isinstance(one, sympy.MatrixBase) or isinstance(other, sympy.MatrixBase):
        alike = isinstance(one, sympy.MatrixBase) and isinstance(other, sympy.MatrixBase) and one.shape == other.shape
        return alike and _all_same(one.flat(), other.flat())
    if isinstance(one, sympy.Rel) and isinstance(other, sympy.Rel):
        return _same_relation(one, other)
    for kind, is_ordered in ((sympy.Tuple, True), (sympy.FiniteSet, False), (sympy.Union, False), (sympy.And, False)):
        if isinstance(one, kind) or isinstance(other, kind):
            alike = isinstance(one, kind) and isinstance(other, kind)
            return alike and (_all_same if is_ordered else _same_in_any_order)(one.args, other.args)
    if isinstance(one, sympy.Interval) and isinstance(other, sympy.Interval):
        ends = (one.left_open, one.right_open) == (other.left_open, other.right_open)
        return ends and _all_same((one.start, one.end), (other.start, other.end))
    if isinstance(one, sympy.Expr) and isinstance(other, sympy.Expr):
        if one.is_infinite or other.is_infinite:
            return bool(one == other)
        is_signed = _has_absolute(one) or _has_absolute(other)
        return all(abs(a - b) <= _AGREE * max(1.0, abs(a)) for a, b in _values(one, other, is_signed=is_signed))
    return False


def _all_same(ones: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(ones) == len(others) <= _MAX_PARTS and all(map(_same, ones, others))


def _same_in_any_order(ones: Sequence[Any], others: Sequence[Any]) -> bool:
    left = list(others)
    if len(ones) != len(left) or len(left) > _MAX_PARTS:
        return False
    for one in ones:
        place = next((i for i, other in enumerate(left) if _same(one, other)), None)
        if place is None:
            return False
        left.pop(place)
    return True


def _same_relation(one: Any, other: Any) -> bool:
    """Equal up to a factor, which is positive where the relation has a direction."""
    first, second = _upward(one), _upward(other)
    if first[0] != second[0]:
        return False
    pairs = list(_values(first[1], second[1]))
    if not all(abs(b) > _AGREE for _, b in pairs):
        return False
    factors = [a / b for a, b in pairs]
    if not all(abs(a - b) <= _AGREE * max(1.0, abs(a)) for a, b in pairwise(factors)):
        return False
    return first[0] in ("==", "!=") or (factors[0].real > 0 and abs(factors[0].imag) <= _AGREE)


def _upward(relation: Any) -> tuple[str, Any]:
    """A relation as (sign, expression): `x < 3` as `3 - x > 0`."""
    import sympy

    left, right, sign = relation.lhs, relation.rhs, relation.rel_op
    if sign in ("<", "<="):
        left, right, sign = right, left, sign.replace("<", ">")
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        raise NoValueError("no expressions")
    return sign, sympy.Add(left, sympy.Mul(sympy.Integer(-1), right, evaluate=False), evaluate=False)


def _has_absolute(tree: Any) -> bool:
    """Whether an absolute value stands anywhere but in a logarithm, which isn't defined below zero."""
    name = type(tree).__name__
    return name == "Abs" or (name != "log" and any(map(_has_absolute, tree.args)))


def _values(one: Any, other: Any, *, is_signed: bool = False) -> list[tuple[complex, complex]]:
    """Both values at a few places; below zero as well where signs matter."""
    names = sorted({symbol.name for symbol in one.free_symbols | other.free_symbols})
    starts = (*_PLACES, *(-start for start in _PLACES)) if is_signed else _PLACES
    places = [{name: complex(start + _STEP * i) for i, name in enumerate(names)} for start in starts]
    return [(value_at(one, at), value_at(other, at)) for at in (places if names else places[:1])]
