"""Typography undone: one spelling for everything that a reader takes for the same.

`tidy` leaves LaTeX as it is, `plain` undoes that as well. Every pattern runs in linear time.
"""

import re
import unicodedata
from functools import lru_cache

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_SUPERSCRIPTS = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}")
_VULGAR_FRACTION = re.compile("(?<=[0-9])(?=[¼½¾⅐-⅞])")
_LOOKALIKES = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": " - ", "⁄": "/", "∕": "/", "×": "*", "·": "*", "⋅": "*"}
    | {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "≈": "~",
        "→": ":",
        "⇒": ":",
        "、": ", ",
        "。": ". ",
        "「": '"',
        "」": '"',
    }
    | {
        "\u0085": "\n",
        "\u2028": "\n",
        "\u2029": "\n",
        "÷": "/",
        "，": ", ",
        "：": ": ",
        "；": "; ",
        "！": "! ",
        "？": "? ",
    }
)
_FULL_WIDTH = re.compile("[，：；！？]")
_QUOTE = re.compile(r"^[ \t]*>[ \t]+(?=[^\W\d_])", re.MULTILINE)
_MARKUP = re.compile(r"\*\*|__|`")
_CALCULATOR = re.compile(r"<<[-+*/().,=$%0-9 ]{1,80}>>")
"""What a calculator was asked, as solutions of GSM8K have it: `<<48/2=24>>24`."""

_RULE = re.compile(r"^[ \t]*\|(?:[ \t]*:?-{2,}:?[ \t]*\|)+[ \t]*$", re.MULTILINE)

_NESTED = r"\{([^{}]{0,200})\}"
_FRACTION = re.compile(rf"([0-9]?)\\[dt]?frac\s{{0,4}}(?:{_NESTED}|([0-9]))\s{{0,4}}(?:{_NESTED}|([0-9]))")
_CALCULATION = re.compile(r"[^\s({][\s)]*[-+*/]\s*[^\s)}]")
_TEXT_COMMAND = re.compile(
    r"\\(?:boxed|fbox|text|mbox|mathrm|mathbf|textbf|textit|mathit|operatorname|rm)\s{0,4}\{([^{}]{0,200})\}"
)
_INLINE_MATH = re.compile(r"\$\$?([^$\n]{1,200})\$\$?(?![0-9])")
_POWER = re.compile(r"\^\{(-?[0-9]{1,9})\}")
_LOOSE_POWER = re.compile(r"(?<=[A-Za-z])\s{1,3}\^")
_LATEX = (
    (re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree|\\circ"), "°"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "*"),
    (re.compile(r"(?<=[0-9])((?:\\[,;: ]|[\s~]){0,3})\\mu\s{0,2}(?=(?:[A-Za-z]|mol|Pa|Hz)\b)"), r"\1μ"),
    (re.compile(r"(?<=[0-9)])_\{?\s?(?:10|\s?ten\s?)\s?\}?(?![0-9])"), ""),
    (re.compile(r"\{,\}|,\\!(?=[0-9]{3}(?![0-9]))"), ","),
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad)(?![a-z])|\\[,;:! ()\[\]]|~(?=\s*[A-Za-z\\}])"), " "),
    (re.compile(r"\\pi(?![a-z])"), "π"),
    (re.compile(r"\\infty(?![a-z])"), "∞"),
    (re.compile(r"\\(?:leqslant|leq|le)(?![a-z])"), "≤"),
    (re.compile(r"\\(?:geqslant|geq|ge)(?![a-z])"), "≥"),
    (re.compile(r"\\approx(?![a-z])"), "~"),
    (re.compile(r"\\(?:Omega|ohm)(?![a-z])"), "Ω"),
    (re.compile(r"\^\{(-?[0-9]{1,9})\}"), r"^\1"),
    (re.compile(r"\\([%$#&_{}])"), r"\1"),
)


def tidy(text: str) -> str:
    """Without invisible characters, full-width forms, and the kinds of minus, quote, digit and superscript."""
    if text.isascii() and text.isprintable():
        return text
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if text.isascii():
        return text
    text = _SUPERSCRIPTS.sub(lambda match: "^" + match[0], _VULGAR_FRACTION.sub(" ", text))
    text = _FULL_WIDTH.sub(lambda match: match[0].translate(_LOOKALIKES), text)
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    return "".join(str(unicodedata.digit(c)) if c > "\x7f" and c.isdigit() else c for c in text)


def without_tables(text: str) -> str:
    """With the rows of Markdown's tables as lines of their own: `| pressure | 2.4 bar |` as `pressure: 2.4 bar`."""
    if "|" not in text or not _RULE.search(text):
        return text
    lines = text.split("\n")
    rules = [place for place, line in enumerate(lines) if _RULE.fullmatch(line)]
    kept = [line for place, line in enumerate(lines) if place not in rules and place + 1 not in rules]
    return "\n".join(_row(line) for line in kept)


def _row(line: str) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return f"{cells[0]}: {cells[1]}" if line.strip().startswith("|") and len(cells) == 2 else line


def without_markup(text: str) -> str:
    """Without Markdown's marks for bold type and code."""
    text = _CALCULATOR.sub("", _MARKUP.sub("", text)) if "<<" in text else _MARKUP.sub("", text)
    return _QUOTE.sub("", text) if ">" in text else text


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    r"""A (tidy) text with LaTeX written as people type it: `\frac{1}{2}` is `1/2`, `90^\circ` is `90°`."""
    if "\\" in text or "$" in text:
        text = text.replace("\\$", "\0")
        text = _POWER.sub(r"^\1", text)
        for _ in range(2):
            text = _TEXT_COMMAND.sub(r" \1 ", text)
        text = _LOOSE_POWER.sub("^", text)
        text = _FRACTION.sub(_fraction, text)
        text = _INLINE_MATH.sub(r"\1", text)
        for pattern, typed in _LATEX:
            text = pattern.sub(typed, text)
        text = text.replace("\0", "$")
    return text.strip()


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match[1], match[2] or match[3] or "", match[4] or match[5] or ""
    if not (top.strip().isdigit() and bottom.strip().isdigit()):
        if "\\" in top + bottom:
            return match[0]
        return f"{whole} ({top})/({bottom})" if whole else f"{_member(top)}/{_member(bottom)}"
    return f"{whole} {top}/{bottom}" if whole else f"{top}/{bottom}"


def _member(part: str) -> str:
    """A side of a fraction, in brackets where it is a calculation."""
    return f"({part})" if _CALCULATION.search(part) else part


_ARTICLES = re.compile(r"\b(?:a|an|the) (?=(?!(?:and|or)\b)\w{2})")
_INITIALS = re.compile(r"(?<=\b[^\W\d_])\.\s?(?=[^\W\d_]\b)")
_HYPHEN_IN_WORD = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_DECIMAL_POINT = re.compile(r"\.[0-9]")
_AROUND_SIGNS = " \t\n\"'`_()[]{}。、「」"
EDGE = " \t\n.,;:!?\"'`*_()[]{}|。、「」"


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """The form in which two (plain) texts are equal: no case, accents, articles, spacing, punctuation around words."""
    words = _INITIALS.sub("", _HYPHEN_IN_WORD.sub(" ", unaccented(text).casefold())).split()
    joined = " ".join(stripped for word in words if (stripped := _without_edges(word)))
    return _ARTICLES.sub("", joined) or " ".join(words)


def unaccented(text: str) -> str:
    """Latin letters without accents; of other scripts they are letters of their own."""
    if text.isascii():
        return text
    kept, latin = [], False
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character):
            if not latin:
                kept.append(character)
        else:
            kept.append(character)
            latin = character.isascii()
    return unicodedata.normalize("NFC", "".join(kept))


def _without_edges(word: str) -> str:
    if not word[:1].isalnum() and not any(map(str.isalnum, word)):  # an operator: `!=` is no `=`
        return word.strip(_AROUND_SIGNS).rstrip(".,;:")
    if len(word) > 2 and word[0] == word[-1] == "|":  # an absolute value
        return word
    start = word.lstrip(EDGE)
    before = word[: len(word) - len(start)]
    return ("." if before.endswith(".") and _DECIMAL_POINT.match(f".{start}") else "") + start.rstrip(EDGE)
