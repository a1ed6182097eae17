"""Formulas as trees, by the LaTeX reader of math-verify.

Responses are foreign text. Nothing evaluates them: the reader builds a tree from its own grammar (never through sympy's
`parse_expr`, which is Python's `eval`), unevaluated. Length, depth, powers and digits are bounded before it is asked.
"""

import re
from functools import cache, lru_cache
from threading import Lock
from typing import Any

_MAX_CHARS = 300
_MAX_DEPTH = 8
_MAX_EXPONENT = 64
_MAX_DIGITS = 30
_READING = Lock()
"""The reader keeps state between its calls, and judges are asked from several threads."""

_LATEX = (
    (re.compile(r"√\s?\(([^()]{1,60})\)|√\s?\{([^{}]{1,60})\}"), r"\\sqrt{\1\2}"),
    (re.compile(r"√\s?([0-9]+|[a-z])"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])sqrt\s?\(([^()]{1,60})\)"), r"\\sqrt{\1}"),
    (re.compile(r"\\sqrt\s?([0-9a-z])"), r"\\sqrt{\1}"),
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"\\frac\s?([0-9])\s?([0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s?([0-9])\s?\{"), r"\\frac{\1}{"),
    (re.compile(r"(\\frac\s?\{[^{}]{1,60}\})\s?([0-9a-z])"), r"\1{\2}"),
    (re.compile(r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|ln|log|exp|pi|arcsin|arccos|arctan)(?![a-z])"), r"\\\1 "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\*"), r" \\cdot "),
    (re.compile(r"\^\(([^()]{1,40})\)"), r"^{\1}"),
    (re.compile(r"\^(-?[0-9]{2,})"), r"^{\1}"),
    (re.compile(r"(?<!\\)\\(?:left|right|displaystyle|quad|[,;:! ])"), " "),
    (re.compile(r"\\(le|ge)qslant"), r"\\\1q"),
    (re.compile(r"\{,\}|(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"), ""),
)
_SIGNS = {
    "π": r"\pi ",
    "∞": r"\infty ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "±": r"\pm ",
}
_EXPONENT = re.compile(r"\^\s?\{?\s?-?([0-9]+)")


def squeezed(text: str) -> str:
    """A formula without what makes no difference to a reader."""
    return "".join(_latex(text).split())


@lru_cache(maxsize=2048)
def _latex(text: str) -> str:
    for sign, command in _SIGNS.items():
        text = text.replace(sign, command)
    for pattern, written in _LATEX:
        text = pattern.sub(written, text)
    return re.sub(r"\^\{([0-9A-Za-z])\}", r"^\1", text).strip()


@lru_cache(maxsize=2048)
def read_tree(text: str) -> Any:
    """A formula as an unevaluated sympy tree; None where it can't be read, or is more than an answer needs."""
    text = _latex(text)
    if len(text) > _MAX_CHARS or _depth(text) > _MAX_DEPTH or re.search(rf"[0-9]{{{_MAX_DIGITS},}}", text):
        return None
    if any(len(match[1]) > 2 or int(match[1]) > _MAX_EXPONENT for match in _EXPONENT.finditer(text)):
        return None
    try:
        with _READING:
            tree = _reader()(text)
    except Exception:
        return None
    return tree


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    return deepest


@cache
def _reader() -> Any:
    from latex2sympy2_extended import latex2sympy  # with sympy 1.4 s, and most answers are no formulas

    def read(text: str) -> Any:
        return latex2sympy(text, is_real=True, convert_degrees=False, normalization_config=None)

    return read
