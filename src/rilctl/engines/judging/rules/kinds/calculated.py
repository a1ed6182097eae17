"""Numbers that are written as a calculation, and equations that only look like one."""

import re

from rilctl.engines.judging.rules.kinds.formula import Formula, read_formula
from rilctl.engines.judging.rules.kinds.quantity import Quantity

_UNKNOWN = re.compile(r"(?:[0-9]|\b)[A-Za-z](?:\s?\^\s?\{?[0-9]\}?)?\s*$")
_LONE_UNKNOWN = re.compile(r"(?:^|[\s,;:(])[A-Za-z]{1,2}(?:\([a-z]\))?\s*$")
_TO_SOLVE = re.compile(r"(?:^|(?<![0-9])[\s(])(?:[0-9]*[a-z]\s?[-+*/]\s?[0-9]+|[0-9]+\s?[-+*/]\s?[0-9]*[a-z])\s*$")
"""An equation's left side: `x + 1`."""
_INVERTED = re.compile(r"[0-9]\s?/\s?[a-z]\s*(?:=|$)")
"""`1/v`, whose value isn't that of `v`."""
_CHAINED = re.compile(r"(?:.*[\s,:$])?([A-Za-z])\s?=(?=[^=,;]*[A-Za-z])(?:(?!\b[A-Za-z]{3})[^=,;])*(?=$|=)", re.DOTALL)
"""An unknown that equals a formula, before the number that this comes to: `n = m/M = 2`."""
_CALCULATED = re.compile(r"[\\^√π²³]|sqrt")
_TO_DO = re.compile(r"(?<=[0-9)}\s])[-+*]|\\(?:cdot|times|div)|[=<>]")


def is_to_solve(before: str, question: str) -> bool:
    """Whether what stands before the last `=` has an unknown left: `2x = 6` and `x + 1 = 5` give no value."""
    if _INVERTED.search(before):
        return True
    if _TO_SOLVE.search(before) and "".join(before.split()) not in "".join(question.split()):
        return True
    return bool(_UNKNOWN.search(before) and not _LONE_UNKNOWN.search(before) and not before.rstrip().endswith(")"))


def unknown_of_chain(before: str) -> str:
    """The unknown before the last `=` of a chain, `n` of `n = m/M = 2`; of another text all of that."""
    match = _CHAINED.match(before)
    return match[1] if match else before


def read_calculated(text: str) -> Formula | None:
    """A root, a power or a constant; what is added up, or multiplied with a sign, is left to who answers."""
    formula = read_formula(text) if _CALCULATED.search(text) else None
    return formula if formula is not None and not formula.unit and not _TO_DO.search(formula.text) else None


def latex_of(value: Quantity | Formula) -> str:
    """A value as `same_formula` understands it; empty where it is none for it."""
    if isinstance(value, Formula):
        return value.text
    number = value.value
    if value.unit or max(abs(number.numerator), number.denominator) > 10**20:
        return ""
    return str(number.numerator) if number.denominator == 1 else f"\\frac{{{number.numerator}}}{{{number.denominator}}}"
