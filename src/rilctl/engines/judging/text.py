"""Text as the rule judge compares it: one form for everything that a reader takes for the same.

Every pattern here runs in linear time; the unbounded ones never follow one another.
"""

import json
import re
import unicodedata

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_SUPERSCRIPTS = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}")
_VULGAR_FRACTION = re.compile("(?<=[0-9])(?=[¼½¾⅐-⅞])")
_LOOKALIKES = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": " ", "⁄": "/", "∕": "/", "×": "*", "·": "*", "⋅": "*"}
    | {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "≈": "~",
        "→": ":",
        "⇒": ":",
        "\u0085": "\n",
        "\u2028": "\n",
        "\u2029": "\n",
    }
)
_FRACTION = re.compile(r"([0-9]?)\\[dt]?frac\s{0,4}\{([^{}]{1,200})\}\s{0,4}\{([^{}]{1,200})\}")
_INLINE_MATH = re.compile(r"\$([^$\n]{1,200})\$(?![0-9])")
_TEXT_COMMAND = re.compile(r"\\(?:boxed|text|mathrm|mathbf|textbf|mathit|operatorname)\s{0,4}\{([^{}]{0,200})\}")
_LATEX = (
    (re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree"), "°"),
    (re.compile(r"\\(?:times|cdot)"), "*"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:left|right|displaystyle|[,;:! ()\[\]])"), " "),
    (re.compile(r"\\([%$#&_{}])"), r"\1"),
)
_ARTICLES = re.compile(r"\b(?:a|an|the) (?=\w{2})")
_HYPHEN_IN_WORD = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_EDGE = " \t\n.,;:!?\"'`*_()[]{}|。、「」"
_DECIMAL_POINT = re.compile(r"\.[0-9]")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+|[0-9]{1,2}[.)]\s+)")


def clean(text: str) -> str:
    """Undo typography: invisible characters, full-width forms, LaTeX and Markdown marks, kinds of minus and quote."""
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _SUPERSCRIPTS.sub(lambda match: "^" + match[0], _VULGAR_FRACTION.sub(" ", text))
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    if "\\" in text or "$" in text:
        text = _unlatex(text)
    return text.replace("**", "").replace("__", "").replace("`", "")


def normalise(text: str) -> str:
    """The form in which two texts are equal: without case, articles, spacing, and punctuation at the edges of words."""
    words = _HYPHEN_IN_WORD.sub(" ", text.casefold()).split()
    plain = " ".join(stripped for word in words if (stripped := _without_edges(word)))
    return _ARTICLES.sub("", plain) or " ".join(words)


def split_items(text: str) -> list[str]:
    """The items of a written list: JSON, or separated by semicolons, new lines, or commas and a last "and".

    A comma inside `1,234` separates nothing unless that leaves a single item.
    """
    text = text.strip()
    if text.startswith("["):
        try:
            loaded = json.loads(text)
        except (ValueError, RecursionError):
            loaded = None
        if isinstance(loaded, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in loaded]
    text = text.strip("{}[] \t\n.")
    if ";" in text or "\n" in text:
        parts = re.split(r"[;\n]", text)
    elif ", " in text:
        parts = [part for piece in re.split(r",\s", text) for part in _split_at_commas(piece)]
    else:
        parts = text.split(",")
    if len(parts) > 1 or "," not in text:
        head, joined, last = _last_and(parts[-1])
        parts = [*parts[:-1], head, last] if joined else parts
    unmarked = [_LIST_MARK.sub("", part) for part in parts]
    return [part.strip() for part in unmarked if part.strip(_EDGE)]


def _without_edges(word: str) -> str:
    start = word.lstrip(_EDGE)
    before = word[: len(word) - len(start)]
    return ("." if before.endswith(".") and _DECIMAL_POINT.match(f".{start}") else "") + start.rstrip(_EDGE)


def _split_at_commas(piece: str) -> list[str]:
    return [piece] if _THOUSANDS.fullmatch(piece.strip()) else piece.split(",")


def _last_and(part: str) -> tuple[str, bool, str]:
    before, joined, after = part.rpartition(" and ")
    if joined:
        return before, True, after
    stripped = part.strip()
    return ("", True, stripped[4:]) if stripped.startswith("and ") else (part, False, "")


def _unlatex(text: str) -> str:
    text = _FRACTION.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[2]}/{m[3]}", text)
    text = _TEXT_COMMAND.sub(r" \1 ", text)
    text = _INLINE_MATH.sub(r"\1", text)
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    return text
