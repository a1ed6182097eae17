"""Quantities: a number with its unit."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from rilctl.engines.judging.rules.kinds.compound import read_compound
from rilctl.engines.judging.rules.kinds.numerals import NUMERAL, numeral_value, read_scale
from rilctl.engines.judging.rules.kinds.units import CURRENCIES, read_unit, starts_glued
from rilctl.engines.judging.rules.kinds.words import MAX_FOREIGN, leading_words
from rilctl.engines.judging.rules.read.phrases import NUMBER_WORDS
from rilctl.engines.judging.rules.read.plain import plain

_MAX_CHARS = 200
"""Longer texts are no number; keeps arithmetic on hostile input small."""
_ABOUT = re.compile(
    r"(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|precisely|only|just|equal to|equals|is|~|="
    r"|in(?: the year)?(?= [0-9])|page|p\.|year|the year|-\s(?=[0-9]+\s-$)|(?:[a-zA-Z]"
    r"|[A-Z]{2})(?:\([a-z]\))?\s?[=~])\s*",
    re.IGNORECASE,
)
_OF_A_PRICE = re.compile(
    r"/\w+|each|in total|total|together|altogether|only|cash|left|remaining|over|in all|overall|left over|per \w+"
)
_MINUS = re.compile(r"(?:minus|negative)\s+", re.IGNORECASE)
_BELOW_ZERO = re.compile(r"(?<=[\w°])\sbelow (?:zero|0)$", re.IGNORECASE)
_CURRENCY_BEFORE = re.compile(r"(?:(?:US|U\.S\.)\s?(?=\$)|USD|EUR|GBP|INR|JPY|Rs\.?)\s?", re.IGNORECASE)
_MILLIONS = re.compile(r"m(?:n|io|ln)?\b")
_SAME_IN_DIGITS = re.compile(r"\s*\(\s*([-+]?[0-9][0-9,.]*)\s*\)$")


_FIRST_WORD = re.compile(r"[A-Za-z]{2,}(?=[\s,;])")
_BEGINS = frozenset(NUMBER_WORDS.split("|")) | frozenset({
    "an", "half", "halve", "halves", "third", "quarter", "fourth", "fifth", "sixth", "eighth", "tenth", "pair",
    "couple",
    "dozen", "single", "about", "approximately", "approx", "around", "roughly", "nearly", "almost", "exactly",
    "precisely", "only", "just", "equal", "equals", "is", "in", "page", "year", "the", "minus", "negative", "rs",
})  # fmt: skip
"""First words of quantities; of others that are all in capitals it may be a currency or a Roman number."""


@dataclass(frozen=True)
class Quantity:
    """A value that is exact.

    Args:
        value: the number.
        unit: canonical; empty where there is none.
        digits: as they were written; empty where it was words.
        scale: what stands behind the number: 1,000 of `5k` and of `5 thousand`, which `value` includes.
    """

    value: Fraction
    unit: str
    digits: str = ""
    scale: int = 1


@dataclass(frozen=True)
class _Head:
    value: Fraction
    rest: str
    digits: str


@lru_cache(maxsize=8192)
def read_quantity(text: str) -> Quantity | None:
    """The quantity that the whole (tidy) text is, or None."""
    if len(text) > _MAX_CHARS or _starts_otherwise(text):
        return None
    text = plain(text).strip(" \t\n\"'*_")
    compound = read_compound(text)
    if compound is not None:
        return Quantity(*compound)
    if len(text) > 1 and text[0] + text[-1] in ("()", "[]", "{}") and "," not in text:
        text = text[1:-1].strip()
    text = text.rstrip(".,;:") if not text.endswith("...") else text
    for _ in range(2):
        about = _ABOUT.match(text)
        text = text[about.end() :] if about else text
    if text.startswith("of ") or not text:
        return None
    below = _BELOW_ZERO.search(text)
    sign, text = (-1, text[: below.start()]) if below else _read_sign(text)
    before = _CURRENCY_BEFORE.match(text)
    currency = (read_unit(before[0].strip()) or "") if before and before[0].strip("US. ") else ""
    text = text[before.end() :] if before else text
    if text[:1] in CURRENCIES:
        currency, text = CURRENCIES[text[0]], text[1:].lstrip()
    if sign > 0:
        sign, text = _read_sign(text)
    head = _head(text)
    return None if head is None else _with_unit(sign, head, currency)


def _starts_otherwise(text: str) -> bool:
    """Whether a text's first word is one that no quantity begins with: a look that costs next to nothing."""
    if not (text[:1].isascii() and text[:1].isalpha()) or "=" in text:
        return False
    word = _FIRST_WORD.match(text)
    if word is None or word[0].casefold() in _BEGINS or word[0].isupper():
        return False
    return len(text) > MAX_FOREIGN or any(map(str.isdigit, text))


def _head(text: str) -> _Head | None:
    numeral = NUMERAL.match(text)
    if numeral:
        value = numeral_value(numeral)
        return None if value is None else _Head(value, text[numeral.end() :], numeral[0])
    words = leading_words(text)
    if words is None:
        return None
    rest = text[words[1] :]
    same = _SAME_IN_DIGITS.match(rest)
    if same:
        again = NUMERAL.fullmatch(same[1])
        if again is None or numeral_value(again) != words[0]:
            return None
        rest = ""
    return _Head(words[0], rest, "")


def _read_sign(text: str) -> tuple[int, str]:
    spelled = _MINUS.match(text)
    if spelled:
        return -1, text[spelled.end() :]
    if text[:1] in ("-", "+"):
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    return 1, text


def _with_unit(sign: int, head: _Head, currency: str) -> Quantity | None:
    factor, end = (10**6, 1) if currency and _MILLIONS.match(head.rest) else read_scale(head.rest)
    rest = head.rest[end:]
    if rest[:1] == "!" or (rest.lstrip()[:1] in (",", ";") and rest.strip(" ,;.")):
        return None
    if rest[:1] == "-":
        rest = f" {rest[1:]}" if rest[1:2].isalpha() else rest.strip(" -") or ""
    elif rest and not end and head.digits and rest[0] not in " .,;:%°$€£¥₹\"')*" and not starts_glued(rest):
        return None
    unit = read_unit(rest)
    if rest == "s" and head.value >= 1000:  # the 1990s
        return None
    if unit is None or (currency and unit not in ("", currency) and not _OF_A_PRICE.fullmatch(unit)):
        return None
    value = head.value if sign * factor == 1 else sign * head.value * factor
    return Quantity(value, currency or unit, head.digits, factor)
