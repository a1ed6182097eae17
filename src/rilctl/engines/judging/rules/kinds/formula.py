"""Expressions, equations, vectors and unions of intervals, as text that `compare.formulas` understands."""

import re
from dataclasses import dataclass
from typing import Any

from rilctl.engines.judging.rules.compare.formulas import same_formula
from rilctl.engines.judging.rules.compare.quantities import same_unit
from rilctl.engines.judging.rules.compare.trees import squeezed
from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.units import canonical
from rilctl.engines.judging.rules.read.chains import is_mathematics
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, HEDGE, NEGATION
from rilctl.engines.judging.rules.read.statements import bare_forms

MAX_CHARS = 300
_COMMANDS = frozenset({
    "frac", "dfrac", "tfrac", "sqrt", "pi", "cdot", "times", "div", "left", "right", "le", "leq", "ge", "geq", "ne",
    "neq", "lt", "gt", "infty", "cup", "cap", "pm", "theta", "alpha", "beta", "gamma", "delta", "lambda", "mu", "phi",
    "omega", "sigma", "rho", "tau", "sin", "cos", "tan", "cot", "sec", "csc", "ln", "log", "exp", "arcsin", "arccos",
    "arctan", "sinh", "cosh", "tanh", "text", "mathrm", "mathbf", "circ", "degree", "begin", "end", "quad", "approx",
    "in", "mid", "langle", "rangle", "vec", "displaystyle", "operatorname", "boldsymbol", "hat", "leqslant",
    "geqslant", "cancel", "dots", "ldots", "varphi", "epsilon",
})  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "ln", "log", "exp", "sqrt", "pi", "arcsin", "arccos", "arctan", "infty",
    "pmatrix", "bmatrix", "matrix", "vmatrix",
})  # fmt: skip
_WORD = re.compile(r"[A-Za-z]{2,}")
_SIGNS = re.compile(r"[\\^√π∞≤≥<>=+*/()\[\]{}0-9_|!-]|^\s*pi\s*$")
_UNIT = re.compile(
    r"(?:(?:\\[,;:! ]?)?\s*\\(?:text|mathrm|rm)\s?\{~?\s*([A-Za-z]{1,12})\s?\}|(?<=[\w}π])\s(?:(?:cubic"
    r"|square)\s(?=unit))?(mm|cm|km|m|kg|g|s|units?"
    r"|(?:centi|milli|kilo)?met(?:er|re)s?|(?:kilo)?grams?|inch(?:es)?|feet|foot|seconds?))(\^\{?[23]\}?)?\s*\}?$"
)
_SAYS_SOMETHING = re.compile(r"[A-Za-z0-9π∞]")
_UNWRITTEN_POWER = re.compile(r"(?<![\\A-Za-z])[a-z][0-9]|__")
_MATH_SPAN = re.compile(r"\$\$?([^$]{1,300})\$\$?|\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]", re.DOTALL)
_DEFINES = re.compile(r"^\s*(?:[A-Za-z](?:'|_\w)?(?:\s?\([a-z]\)))\s*=\s*|^\s*\\?[A-Za-z]\s*=\s*(?=.)")
_ONLY_FOR = re.compile(
    r",?\s\(?(?:for|where|with|if|when)\s\$?[a-zθ]\s?(?:\\neq?|≠|!=|>|<|\\[gl]eq?|≥|≤)\s?[-0-9.a-z\\]{1,8}\$?\)?$"
)
"""For which values it holds."""
_WHERE = re.compile(r",?\s\(?(?:where|for|with|provided(?: that)?|assuming)\s\$[^$=]{1,40}\$\)?(?=\.?\s*$)")
"""The same behind marked mathematics."""
_WORKED_OUT = re.compile(r"^\s*(?:\\int|∫|\\lim|\\sum|\\det|\\frac\s?\{d\}\s?\{d[a-z]\}|d/d[a-z]\b)[^=]*=(?=[^=]*$)")
"""What is done to a formula, before what comes of it."""
_NAMED = re.compile(r"(?:^|,\s|:\s)([A-Za-z]{1,2})\s?=\s?([^=,;]{1,60}?)\.?$")
_INFINITY = re.compile(r"^(?:(positive|negative|plus|minus) )?infinity$")
_FOREIGN = re.compile(r"[^\x00-\x7fπ√∞≤≥≠°±∪∩θαβγδλμφωσ]")


@dataclass(frozen=True)
class Formula:
    """A formula in LaTeX.

    Args:
        text: without its unit.
        unit: as it is written; empty where there is none.
        power: of the unit.
    """

    text: str
    unit: str = ""
    power: str = ""


class FormulaKind(Kind):
    """Formulas as answers.

    Args:
        is_equation: whether the ground truth is an equation or inequality; else `f(x) =` before a formula is a label.
        question: names the sides whose lengths are asked for.
    """

    name = "expression"

    def __init__(self, *, is_equation: bool, question: str = "") -> None:
        self._is_equation, self._question = is_equation, question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        return read_formula(text, is_equation=self._is_equation)

    def is_bare(self, text: str) -> bool:
        """See `Kind`."""
        return "=" not in text

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        sentence = _WHERE.sub("", sentence[-1000:])
        spans = _spans(sentence)
        outside = _MATH_SPAN.sub(" ", sentence)
        if not spans:
            return self._concluded(sentence)
        if NEGATION.search(outside) or HEDGE.search(outside):
            return SEVERAL
        return self.whole(spans[-1])

    def equates(self, statement: str) -> bool:
        """See `Kind`: `Thus $x^2-1=(x-1)(x+1)$` of how `x^2-1` factors."""
        spans = _spans(statement)
        first, _, last = spans[-1].partition("=") if len(spans) == 1 else ("", "", "")
        asked = {squeezed(span.rstrip(".")) for span in _spans(self._question)}
        return bool(last) and not self._is_equation and len(first) > 1 and squeezed(first) in asked

    def _concluded(self, sentence: str) -> Any:
        """The formula without marks at the end of a sentence that concludes with it."""
        ends = [match.end() for match in CONCLUSION.finditer(sentence)]
        concluded = sentence[ends[-1] :] if ends else ""
        found = (self.whole(form) for form in (*bare_forms(concluded), concluded.rpartition(" is ")[2]) if form)
        value = next((each for each in found if each is not None), None)
        named = _NAMED.search(sentence) if value is None and not self._is_equation else None
        if named and re.search(rf"\b{named[1]}\b", self._question):
            concluded, value = sentence, self.whole(named[2])
        is_doubtful = NEGATION.search(concluded) or HEDGE.search(concluded)
        return SEVERAL if value is not None and is_doubtful else value

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return self.fits(one, other)

    def fits(self, truth: Any, given: Any) -> bool:
        """See `Kind`."""
        is_of_one = truth.power == given.power and same_unit(canonical(truth.unit), canonical(given.unit))
        if truth.unit and given.unit and not is_of_one:
            return False
        return same_formula(truth.text, given.text)


def _spans(text: str) -> list[str]:
    """The mathematics of a text that is marked as such."""
    return [next(filter(None, match.groups())) for match in _MATH_SPAN.finditer(text)]


def read_formula(text: str, *, is_equation: bool = False) -> Formula | None:
    """The formula that a (tidy) text is, or None."""
    if len(text) > MAX_CHARS:
        return None
    text = text.strip(' \t\n"').rstrip(".,;").strip()
    text = _INFINITY.sub(lambda match: "-\\infty" if match[1] in ("negative", "minus") else "\\infty", text)
    text = text if is_equation else _WORKED_OUT.sub("", text.strip("$ "))
    text = text if is_equation else _ONLY_FOR.sub("", text)
    span = _MATH_SPAN.fullmatch(text)
    text = next(filter(None, span.groups())).strip() if span else " ".join(text.replace("$", " ").split())
    if "=" in text and not is_equation and is_mathematics(text):
        text = text.rpartition("=")[2].strip()
    unit = _UNIT.search(text)
    text = text[: unit.start()].rstrip() if unit else text
    if not is_formula(text):
        return None
    if not is_equation:
        text = _DEFINES.sub("", text, count=1)
        text = text.rpartition("=")[2].strip() if "=" in text else text
    text = text.rstrip(".,; ")
    return (
        Formula(text, unit[1] or unit[2] if unit else "", (unit[3] or "").strip("^{}") if unit else "")
        if text
        else None
    )


def is_formula(text: str) -> bool:
    """Whether a text is mathematics and no prose, of what the reader of formulas is let near."""
    commands = {match[1] for match in _COMMAND.finditer(text)}
    if (
        commands - _COMMANDS
        or _FOREIGN.search(text)
        or not _SIGNS.search(text)
        or not _SAYS_SOMETHING.search(text)
        or _UNWRITTEN_POWER.search(text)
    ):
        return False
    words = _WORD.findall(_COMMAND.sub(" ", re.sub(r"\\(?:text|mathrm|operatorname)\s?\{[^{}]{0,30}\}", " ", text)))
    return not any(word not in _FUNCTIONS and not _is_product(word) for word in words)


def _is_product(word: str) -> bool:
    """`xy` and `ab` are products of unknowns, longer ones are words."""
    return len(word) == 2 and word.casefold() not in {
        "is",
        "it",
        "in",
        "on",
        "so",
        "we",
        "or",
        "no",
        "an",
        "as",
        "at",
        "if",
        "to",
    }
