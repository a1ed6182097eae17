"""How lists are written: commas, semicolons, lines, JSON, `x = 2 or x = 3`, `±2`."""

import json
import re

from rilctl.engines.judging.rules.read.plain import EDGE
from rilctl.engines.judging.rules.read.statements import without_list_mark

_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)
_STARTS_SEQUENCE = re.compile(r"first(?:ly)?[ ,:]", re.IGNORECASE)
_GOES_ON_SEQUENCE = re.compile(r"[,;\n]\s?(?:and )?(?:then|next|second(?:ly)?)\b", re.IGNORECASE)
_SEQUENCE = re.compile(r"^(?:and )?(?:first|then|next|second|third|finally|last)(?:ly)?[ ,:]+", re.IGNORECASE)
"""`First K2, then Makalu`."""
_PLUS_MINUS = re.compile(r"(?:([A-Za-z])\s?=\s?)?(?:±|\\pm(?![a-z]))\s?([^±=]{1,60})")
SOLUTION = re.compile(r"(?:(?:\\(?:lambda|theta|alpha|mu)|[A-Za-zλθ])(?:_?\{?[0-9]\}?)?\s?)?(?:=|\\in(?![a-z])|∈)\s?")
_JOINS = re.compile(r"[,;]|\bor\b|\band\b")
_MIN_SOLUTIONS = 2


def solutions_of(text: str) -> list[str]:
    """The values of `x = 2 or x = 3`; none of another text."""
    parts = [part.strip() for part in _JOINS.split(text) if part.strip()] if text.count("=") > 1 else []
    named = {part.partition("=")[0].strip("$ ")[:1] for part in parts}
    if len(parts) < _MIN_SOLUTIONS or len(named) > 1 or not all(map(SOLUTION.match, parts)):
        return []
    return [SOLUTION.sub("", part, count=1).strip("$ ") for part in parts]


def spread(text: str) -> str:
    """`x = ±2` as `2, -2`; any other text as it is."""
    match = _PLUS_MINUS.fullmatch(text)
    return f"{match[2]}, -{match[2]}" if match else text


def split_items(text: str) -> list[str]:
    """The items of a written list: JSON, or separated by semicolons, new lines, or commas and a last "and".

    A comma inside `1,234` separates nothing unless that leaves a single item.
    """
    text = text.strip().replace(" & ", " and ")
    if text.startswith("["):
        try:
            loaded = json.loads(text)
        except (ValueError, RecursionError):
            loaded = None
        if isinstance(loaded, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in loaded]
    text = text.strip(" \t\n.")
    if text[:1] + text[-1:] in ("{}", "[]"):
        text = text[1:-1]
    if ";" in text or "\n" in text:
        parts = re.split(r"[;\n]", text)
    elif text.count(" : ") > 1 or (" : " in text and "," not in text):  # arrows
        parts = text.split(" : ")
    elif " > " in text or " < " in text:
        parts = re.split(r" [<>] ", text)
    elif ", " in text:
        parts = [part for piece in re.split(r",\s", text) for part in _split_at_commas(piece)]
    else:
        parts = text.split(",")
    if len(parts) > 1 or "," not in text:
        head, joined, last = _last_and(parts[-1])
        parts = [*parts[:-1], head, last] if joined else parts
    if _STARTS_SEQUENCE.match(text) and _GOES_ON_SEQUENCE.search(text):
        parts = [_SEQUENCE.sub("", part.strip()) for part in parts]
    unmarked = [without_list_mark(part) for part in parts]
    return [part.strip() for part in unmarked if part.strip(EDGE)]


def _split_at_commas(piece: str) -> list[str]:
    return [piece] if _THOUSANDS.fullmatch(piece.strip()) else piece.split(",")


def _last_and(part: str) -> tuple[str, bool, str]:
    before, joined, after = part.rpartition(" and ")
    if joined:
        return before, True, after
    stripped = part.strip()
    return ("", True, stripped[4:]) if stripped.startswith("and ") else (part, False, "")
