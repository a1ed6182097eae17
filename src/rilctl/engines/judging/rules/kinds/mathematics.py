"""LaTeX of relations, sets and vectors as people type them: one spelling for what is written in several."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.chains import FOLLOWS
from rilctl.engines.judging.rules.read.plain import plain

_COLUMN = re.compile(
    r"\\begin\s?\{([pbv]?matrix|array|smallmatrix)\}(?:\{[lcr|]+\})?(.{1,200}?)\\end\s?\{\1\}", re.DOTALL
)
_CASES = re.compile(r"\\begin\s?\{cases\}(.{1,300}?)\\end\s?\{cases\}", re.DOTALL)
_ANGLED = re.compile(r"(?:\\langle|⟨|〈)([^⟨⟩〈〉<>]{1,200}?)(?:\\rangle|⟩|〉)")
_POINTED = re.compile(r"(?<![\w)])<\s?(-?[\w./√π-]{1,20}(?:,\s?-?[\w./√π-]{1,20}){1,5})\s?>")
_COEFFICIENT = (
    r"(?:[0-9]{1,6}(?:\.[0-9]{1,6})?(?:/[0-9]{1,6})?|\\[dt]?frac\s?(?:\{[0-9]{1,6}\}\{[0-9]{1,6}\}|[0-9]{2}))?"
)
_DRESSED = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|hat|vec|widehat)\s?\{?\s?(?:\\(?:hat|mathbf|vec)\s?\{?\s?)?\\?([ijk])(?:math)?(?![A-Za-z])\s?\}{0,2}"
)
_ALONG = re.compile(rf"(?<![\w)}}.^])-?\s?{_COEFFICIENT}\s?[ijk](?:\s?[+-]\s?{_COEFFICIENT}\s?[ijk]){{1,2}}(?![\w(^])")
"""A vector by its parts along `i`, `j` and `k`."""
_IN_BRACKETS = re.compile(r"\(\s?(\([^()]{1,200}\))\s?\)")
_TERM = re.compile(rf"(-?)\s?({_COEFFICIENT})\s?([ijk])")
_ROW_END = re.compile(r"\\\\(?:\[[^\]]{0,9}\])?|\\cr\b")
_SIGNS = (
    (re.compile(r"\\(?:lt)(?![a-z])"), "<"),
    (re.compile(r"\\(?:gt)(?![a-z])"), ">"),
    (re.compile(r"<=|\\leqslant(?![a-z])"), "≤"),
    (re.compile(r">=|\\geqslant(?![a-z])"), "≥"),
    (re.compile(r"\\neq?(?![a-z])|!="), "≠"),
    (re.compile(r"\\in(?![a-z])"), "∈"),
    (re.compile(r"\\cup(?![a-z])"), "∪"),
    (re.compile(r"\\mathbb\s?\{?R\}?|\\R(?![a-z])"), "R"),
    (re.compile(r"\\(?:setminus|backslash)(?![a-z])"), " - "),
    (re.compile(r"\\(?:mid|vert)(?![a-z])"), "|"),
    (re.compile(r"\\l?or(?![a-z])|∨"), " or "),
    (re.compile(r"\\(?:l?and|land)(?![a-z])|∧"), " and "),
    (re.compile(r"\+\s?∞|\b(?:positive |plus )?infinity\b", re.IGNORECASE), "∞"),
    (re.compile(r"\\theta(?![a-z])"), "θ"),
    (re.compile(r"\\lambda(?![a-z])"), "λ"),
)


def typed(text: str) -> str:
    """A (tidy) text with relations, sets and infinity as single signs, as `plain` leaves numbers."""
    if "{cases}" in text:
        text = _CASES.sub(lambda match: ", ".join(filter(str.strip, _ROW_END.split(match[1].replace("&", "")))), text)
    text = plain(FOLLOWS.sub(": ", text))
    if "\\" in text or "=" in text or "nfinity" in text or "∞" in text:
        for pattern, sign in _SIGNS:
            text = pattern.sub(sign, text)
    return text


@lru_cache(maxsize=4096)
def in_round_brackets(text: str) -> str:
    r"""Vectors in one column or row as `(3, -4)`: `\begin{pmatrix} 3 \\ -4 \end{pmatrix}`, `\langle 3, -4 \rangle`."""
    if "\\" in text:
        text = _DRESSED.sub(r"\1", _COLUMN.sub(_entries, text))
    if "j" in text or "k" in text:
        text = _IN_BRACKETS.sub(r"\1", _ALONG.sub(_along, text))
    return _POINTED.sub(r"(\1)", _ANGLED.sub(r"(\1)", text))


def _entries(match: re.Match[str]) -> str:
    rows = [row.strip() for row in _ROW_END.split(match[2]) if row.strip()]
    if len(rows) > 1 and "&" not in match[2]:
        return f"({', '.join(rows)})"
    return f"({', '.join(part.strip() for part in rows[0].split('&'))})" if len(rows) == 1 else match[0]


def _along(match: re.Match[str]) -> str:
    """`8i - 7j` as `(8, -7)`, `2i + k` as `(2, 0, 1)`; what names one of them twice as it is."""
    terms = [(letter, f"{sign}{size or 1}") for sign, size, letter in _TERM.findall(match[0])]
    found = dict(terms)
    letters = "ijk" if "k" in found else "ij"
    return f"({', '.join(found.get(letter, '0') for letter in letters)})" if len(found) == len(terms) else match[0]
