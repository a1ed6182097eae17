r"""Numbers as one field writes them: charges (`7+`), remainders (`7^{50} \equiv 9 \pmod{10}`)."""

import re
from fractions import Fraction

from rilctl.engines.judging.rules.read.chains import is_mathematics

_ASKS_CHARGE = re.compile(r"\b(?:oxidation|charges?|valenc(?:e|y)|ionic)\b", re.IGNORECASE)
_CHARGE = re.compile(r"(?<![\w.^{+-])([0-9]{1,2})([+-])(?!\s?[0-9(]|\.[0-9]|[A-Za-z])")
_ASKS_REMAINDER = re.compile(r"\b(?:remainder|modulo|mod)\b|\\[pb]?mod(?![a-z])", re.IGNORECASE)
_CONGRUENT = re.compile(
    r"(?P<before>.*)(?:\\equiv|≡)\s*(?P<value>[0-9]{1,9})\s*\(?\s*\\?[pb]?mod\s*\{?\s*(?P<modulus>[0-9]{1,9})\s*\}?\s*\)?[\s$.]*",
    re.DOTALL,
)


def with_sign_before(text: str, question: str) -> str:
    """A text with the signs of charges before them, where one is asked for: `7+` as `+7`."""
    is_charge = ("+" in text or "-" in text) and _ASKS_CHARGE.search(question) is not None
    return _CHARGE.sub(r"\2\1", text) if is_charge else text


def read_remainder(text: str, question: str) -> Fraction | None:
    """The remainder that a congruence states, of a modulus that the question has; else None."""
    match = (
        _CONGRUENT.fullmatch(text)
        if "mod" in text and "\\not" not in text and _ASKS_REMAINDER.search(question)
        else None
    )
    if match is None or not is_mathematics(match["before"]):
        return None
    is_asked = re.search(rf"(?<![0-9]){match['modulus']}(?![0-9])", question) is not None
    return Fraction(match["value"]) if is_asked and int(match["value"]) < int(match["modulus"]) else None
