"""Options that are mathematics: equal however they are written; a letter beside another value is none."""

import re
from collections.abc import Mapping
from typing import Any

from rilctl.engines.judging.rules.compare.formulas import same_formula
from rilctl.engines.judging.rules.compare.trees import read_tree
from rilctl.engines.judging.rules.kinds.formula import read_formula
from rilctl.engines.judging.rules.kinds.ratio import RatioKind
from rilctl.engines.judging.rules.read.plain import plain

_RATIO = RatioKind()
_BEHIND_LETTER = re.compile(
    r"[\s$*({]*(?:\\(?:text|textbf|textrm|mathrm|mathbf)\s?\{\s*)?[(\[]?[A-J][)\].:]*\s*\}?"
    r"(?:\\[ ,;]|\\quad|[\s$:~])*(\S.*)",
    re.DOTALL,
)
_UNIT_INSIDE = re.compile(r"\\(?:text|mathrm)|(?<![A-Za-z])(?:cm|mm|km|kg)(?![A-Za-z])")
"""Of amounts, which aren't formulas."""
_METRES = re.compile(r"(?<=[0-9})])\s?m$")


class WrittenOptions:
    """The options of a question whose texts, all but one at most, are formulas or ratios.

    Args:
        texts: of the options, by letter.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        read = {letter: _read(text) for letter, text in texts.items()}
        is_maths = sum(value is None for value in read.values()) <= 1 < len(read)
        self._values = {letter: value for letter, value in read.items() if value is not None} if is_maths else {}

    def letter_of(self, text: str) -> str | None:
        """The one option that a (tidy) text is."""
        value = _read(text) if self._values else None
        fitting = [letter for letter, own in self._values.items() if value is not None and _same(own, value)]
        return fitting[0] if len(fitting) == 1 else None

    def speaks_against(self, letter: str, text: str) -> bool:
        """Whether what stands behind a letter in a (tidy) text is mathematics, and not what its option says."""
        behind = _BEHIND_LETTER.match(text) if self._values else None
        if behind is None:
            return False
        written = behind[1].removesuffix("}") if behind[1].count("}") > behind[1].count("{") else behind[1]
        values = [value for form in dict.fromkeys((written, plain(written))) if (value := _read(form)) is not None]
        own = self._values.get(letter)
        if not values or (own is not None and any(_same(own, value) for value in values)):
            return False
        if own is not None and all(_is_known(own, value) for value in values):
            return True
        return any(_same(other, value) for other in self._values.values() for value in values)


def _read(text: str) -> Any:
    """A ratio's numbers, or a formula in LaTeX without its unit."""
    ratio = _RATIO.whole(text)
    if ratio is not None:
        return ratio
    formula = read_formula(_METRES.sub("", text.rstrip(" .,;$").replace(" √", "√")))
    return None if formula is None or _UNIT_INSIDE.search(formula.text) else formula.text


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return bool(one == other)
    if isinstance(one, tuple) or isinstance(other, tuple):
        sides, text = (one, other) if isinstance(one, tuple) else (other, one)
        is_fraction = "frac" in text or "/" in text
        return len(sides) == 2 and is_fraction and same_formula(f"({sides[0]})/({sides[1]})", text)
    return same_formula(one, other)


def _is_known(one: Any, other: Any) -> bool:
    """Whether both can be compared, so that they are known to differ."""
    return all(isinstance(value, tuple) or read_tree(value) is not None for value in (one, other))
