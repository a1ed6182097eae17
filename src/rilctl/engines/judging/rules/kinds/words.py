"""Numbers written as words: `twenty-five`, `a dozen`, `one and a half`, `vingt-deux`, `三`, `VII`.

Words are read by text2num, digits and characters by Unicode's own tables.
"""

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from rilctl.engines.judging.rules.read.phrases import NUMBER_WORDS

_LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "nl")
ENGLISH = re.compile(
    rf"(?<![\w-])(?:(?:a|an)\s(?=hundred|thousand|million|billion))?(?:{NUMBER_WORDS})(?:(?:-"
    rf"|\s(?:and\s)?)(?:{NUMBER_WORDS}))*(?![\w'])",
    re.IGNORECASE,
)
"""A run of English number words."""
_STANDS_FOR = re.compile(
    r"\b(?:\w{3,}est|that|which|other|another|each|every|any|right|correct|same)\s$", re.IGNORECASE
)
"""Before `one` that counts nothing: `the smallest one`."""
_POINT = re.compile(r"\s+point\s+((?:(?:zero|one|two|three|four|five|six|seven|eight|nine)\b\s*)+)", re.IGNORECASE)
_PARTS = {
    "half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4), "fourth": Fraction(1, 4),
    "fifth": Fraction(1, 5), "sixth": Fraction(1, 6), "eighth": Fraction(1, 8), "tenth": Fraction(1, 10),
}  # fmt: skip
_NAMED_PARTS = {
    "seventh": 7, "ninth": 9, "eleventh": 11, "twelfth": 12, "fifteenth": 15, "sixteenth": 16, "twentieth": 20,
    "hundredth": 100,
}  # fmt: skip
_NAMED_PART = re.compile(
    rf"(?:(?P<one>an?|one)[\s-]+(?P<part>{'|'.join(_NAMED_PARTS)})|(?P<top>[a-z]+)[\s-]+(?P<parts>{'|'.join(_NAMED_PARTS)})s)\b",
    re.IGNORECASE,
)
"""Ordinals as well, so only behind how many there are."""
_PART = re.compile(rf"(?:(?P<top>[a-z]+|[0-9]{{1,3}})[\s-]+)?(?P<part>halve|{'|'.join(_PARTS)})s?\b", re.IGNORECASE)
_AND_PART = re.compile(rf"\s+and\s+(?:a|an|one)\s+(?P<part>{'|'.join(_PARTS)})\b", re.IGNORECASE)
_GROUPS = {"pair": 2, "couple": 2, "dozen": 12}
_GROUP = re.compile(r"(?:(?P<a>a|an|one)\s+)?(?P<group>pair|couple|dozen)\b", re.IGNORECASE)
_SINGLE = re.compile(r"(?:a|an|one)\s+(?:single|sole)\b|\b(?:single)\b", re.IGNORECASE)
_ROMAN = re.compile(
    r"(?=[IVXLC]{2,})(?:XC|XL|L?X{0,3}|C{1,3})(?:IX|IV|V?I{0,3})(?![A-Za-z0-9])|[vx]?(?:iii?|iv|ix|vi{1,3})$"
)
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_ORDINALS = frozenset({"second", "seconds", "seconde"})
"""text2num takes them for two in some languages."""
MAX_FOREIGN = 40
"""Characters of a number in words of another language, which is a whole text."""
_HAN = re.compile("[零〇一二两三四五六七八九十百]{1,6}")


def leading_words(text: str) -> tuple[Fraction, int] | None:
    """The number that a (plain) text begins with in words, and where it ends."""
    if text[:1].isascii():
        return _leading_english(text) or _leading_roman(text) or _foreign(text)
    match = _HAN.match(text)
    value = _han(match[0]) if match else None
    return (value, match.end()) if match and value is not None else _foreign(text)


def english_words(sentence: str) -> Iterator[tuple[int, int]]:
    """Where English number words stand."""
    return (
        m.span()
        for m in ENGLISH.finditer(sentence)
        if not (m[0] in ("one", "One") and _STANDS_FOR.search(sentence[: m.start()]))
    )


def _leading_english(text: str) -> tuple[Fraction, int] | None:
    named = _NAMED_PART.match(text)
    if named and (top := _top(named["top"])) is not None:
        return top / _NAMED_PARTS[(named["part"] or named["parts"]).casefold()], named.end()
    match = ENGLISH.match(text)
    if match is None:
        part = _PART.match(text)
        if part and (top := _top(part["top"])) is not None:
            return top * _part(part["part"]), part.end()
        group = _GROUP.match(text)
        if group and group["a"]:
            return Fraction(_GROUPS[group["group"].casefold()]), group.end()
        single = _SINGLE.match(text)
        return (Fraction(1), single.end()) if single else None
    part = _PART.match(text)
    if part and part["top"] and part.end() > match.end() and (top := _top(part["top"])) is not None:
        return top * _part(part["part"]), part.end()
    value = _english(match[0])
    if value is None:
        return None
    end, fraction = match.end(), Fraction(value)
    if point := _POINT.match(text, end):
        digits = "".join(str(_english(word)) for word in point[1].split())
        return fraction + Fraction(int(digits), 10 ** len(digits)), point.end()
    if half := _AND_PART.match(text, end):
        return fraction + _part(half["part"]), half.end()
    return fraction, end


def _part(word: str) -> Fraction:
    return _PARTS["half" if word.casefold() == "halve" else word.casefold()]


def _top(word: str | None) -> Fraction | None:
    if word is None or word.casefold() in ("a", "an", "one"):
        return Fraction(1)
    if word.isdigit():
        return None
    value = _english(word)
    return None if value is None else Fraction(value)


@lru_cache(maxsize=1024)
def _english(words: str) -> int | None:
    words = re.sub(r"^(?:a|an)\s+", "one ", " ".join(words.casefold().split()))
    if words in ("hundred", "thousand", "million", "billion"):
        return None
    return _number(words, "en")


def _number(words: str, language: str) -> int | None:
    from text_to_num import text2num

    try:
        return int(text2num(words, language))
    except (ValueError, OverflowError):
        return None


def _leading_roman(text: str) -> tuple[Fraction, int] | None:
    match = _ROMAN.match(text)
    if match is None or not match[0] or match.end() != len(text.rstrip(" .")):
        return None
    values = [_ROMAN_VALUES[letter] for letter in match[0].upper()]
    signed = (-v if v < max(values[i:]) else v for i, v in enumerate(values))
    return Fraction(sum(signed)), match.end()


@lru_cache(maxsize=1024)
def _foreign(text: str) -> tuple[Fraction, int] | None:
    """Only words that are the whole text: in a sentence, `six` is French as well."""
    words = text.strip(" .!").casefold()
    if len(words) > MAX_FOREIGN or len(words) < 3 or not words.replace("-", "").replace(" ", "").isalpha():
        return None
    if words in _ORDINALS:
        return None
    for language in _LANGUAGES[1:]:
        value = _number(words, language)
        if value is not None:
            return Fraction(value), len(text)
    return None


def _han(text: str) -> Fraction | None:
    total = digit = 0
    for character in text:
        value = 2 if character == "两" else int(unicodedata.numeric(character))
        if value >= 10:
            total, digit = total + (digit or 1) * value, 0
        elif digit:
            return None
        else:
            digit = value
    return Fraction(total + digit)
