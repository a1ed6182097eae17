"""The value of a formula's tree at given places, in floating point: bounded in time and memory whatever the tree says.

Sympy's own `evalf`, `simplify` and `solve` are not: `e^{e^{e^{e^9}}}` keeps them busy for minutes.
"""

import cmath
from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from typing import Any

_MAX_NODES = 100


class NoValueError(ValueError):
    """Nothing that an answer would hold: integrals, sums, factorials, a division by zero, numbers past all bounds."""


def value_at(tree: Any, at: Mapping[str, complex]) -> complex:
    """The value of an expression.

    Args:
        tree: of sympy, unevaluated.
        at: values of its unknowns, by name.

    Raises:
        NoValueError: it has none.
    """
    try:
        value = _value(tree, at, [0])
    except (ArithmeticError, TypeError, ValueError) as error:
        raise NoValueError(str(error)) from error
    if not (isfinite(value.real) and isfinite(value.imag)):
        raise NoValueError("not finite")
    return value


def _value(tree: Any, at: Mapping[str, complex], num_nodes: list[int]) -> complex:
    num_nodes[0] += 1
    if num_nodes[0] > _MAX_NODES:
        raise NoValueError("too many parts")
    if tree.is_Symbol:
        return 1j if tree.name == "i" else at[tree.name]
    if not tree.args:
        return _constant(tree)
    function = _functions().get(type(tree).__name__)
    if function is None:
        raise NoValueError(type(tree).__name__)
    return function(*(_value(part, at, num_nodes) for part in tree.args))


def _constant(tree: Any) -> complex:
    if tree.is_Rational:
        return complex(tree.p / tree.q)
    if tree.is_Float:
        return complex(float(tree))
    named = {"Pi": cmath.pi, "Exp1": cmath.e, "ImaginaryUnit": 1j}
    if type(tree).__name__ not in named:
        raise NoValueError(type(tree).__name__)
    return complex(named[type(tree).__name__])


@cache
def _functions() -> Mapping[str, Callable[..., complex]]:
    plain = {name: getattr(cmath, name) for name in ("exp", "sin", "cos", "tan", "asin", "acos", "atan")}
    more = {name: getattr(cmath, name) for name in ("sinh", "cosh", "tanh")}
    return (
        plain
        | more
        | {
            "Add": lambda *parts: sum(parts),
            "Mul": _product,
            "Pow": lambda base, power: base**power,
            "Abs": lambda value: complex(abs(value)),
            "log": lambda value, base=cmath.e: cmath.log(value) / cmath.log(base),
            "cot": lambda value: 1 / cmath.tan(value),
            "sec": lambda value: 1 / cmath.cos(value),
            "csc": lambda value: 1 / cmath.sin(value),
            "UnevaluatedExpr": lambda value: value,
        }
    )


def _product(*parts: complex) -> complex:
    found = complex(1)
    for part in parts:
        found *= part
    return found
