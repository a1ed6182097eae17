"""Numbers with units, exactly: `1,234.5`, `-3/4`, `1 1/2`, `1.2e3`, `$5`, `50 %`, `12 cm`, `seven`.

What is decided here:
- A unit that only one side names doesn't count (`12` is `12 cm`); two different units do. Units aren't converted.
- A percent equals its bare number and its fraction: `50%` is `50` and is `0.5`; `50%` is not `0.5%`.
- `about 5` is 5; `more than 5`, `5 or 6`, `5-6` and `5 and a half` are no number.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_QUANTITY_CHARS = 200
"""Longer texts are no number; keeps arithmetic on hostile input small."""

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: value for value, word in enumerate(_SMALL)}
for _ten, _word in enumerate(_TENS, start=2):
    _WORDS[_word] = 10 * _ten
    _WORDS |= {f"{_word}{gap}{_SMALL[digit]}": 10 * _ten + digit for digit in range(1, 10) for gap in "- "}
_WORD = re.compile(r"\b(?:" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")\b(?![-'])")

_DECIMAL = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,3}(?: [0-9]{3})+(?![0-9./])"
    r"|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
)
_POWER = r"(?:e(?P<e>[-+]?[0-9]{1,3})(?![0-9a-z])|\s?[*x]\s?10\s?\^\s?[({]?(?P<p>[-+]?[0-9]{1,3})[)}]?)"
_NUMBER = re.compile(
    r"(?:(?P<whole>[0-9]+)[ ]+(?P<mixed_top>[0-9]+)\s?/\s?(?P<mixed_bottom>[0-9]+)"
    rf"|(?P<top>{_DECIMAL})\s?/\s?(?P<bottom>{_DECIMAL})"
    rf"|10\s?\^\s?[({{]?(?P<ten>[-+]?[0-9]{{1,3}})[)}}]?"
    rf"|(?P<decimal>{_DECIMAL}){_POWER}?)(?![0-9])"
)
_ABOUT = re.compile(r"(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|equal to|equals|is|~|=)\s*")
_MINUS = re.compile(r"(?:minus|negative)\s+")
_CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
_MULTIPLIERS = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PERCENT = re.compile(r"^(?:per ?cent|pct)\b")

_UNITS = {
    "cm": "centimeter centimetre", "mm": "millimeter millimetre", "m": "meter metre", "km": "kilometer kilometre kms",
    "in": "inch inches", "ft": "foot feet", "yd": "yard", "mi": "mile", "kg": "kilogram kgs kilo", "g": "gram",
    "mg": "milligram", "pound": "lb lbs gbp", "oz": "ounce", "s": "sec secs second", "ms": "millisecond",
    "min": "mins minute", "h": "hr hrs hour", "l": "liter litre", "ml": "milliliter millilitre", "hz": "hertz",
    "°": "degree deg", "°c": "celsius", "°f": "fahrenheit",
    "dollar": "usd buck", "euro": "eur", "yen": "jpy", "rupee": "inr",
    "mph": "mi/h", "km/h": "kph kmh",
}  # fmt: skip
_CANONICAL = {name: unit for unit, names in _UNITS.items() for name in [unit, *names.split()]}
_MORE_GLUED = {"khz", "mhz", "ghz", "kb", "mb", "gb", "tb", "kw", "kwh", "px", "pa", *"%vwanjkcf"}
_GLUED = frozenset(_CANONICAL) | _MORE_GLUED
"""Units that may follow a number without a space; `3D` and `5th` are no quantities."""
_NO_UNIT = frozenset({
    "or", "and", "to", "minus", "plus", "times", "not", "nor", "am", "pm", "a.m", "p.m", "bc", "ad", "bce", "ce",
    "half", "halve", "third", "quarter", "fourth", "fifth", "tenth",
})  # fmt: skip
"""Words that make it another number, a range, a time or a date."""
_PHRASE_END = re.compile(
    r"[.,;:!?()\"](?:\s|$)|\s(?:but|because|which|that|so|in|on|at|from|with|and(?! a (?:half|quarter|third)))\b"
)
_AREA = re.compile(r"\b(?:square|sq\.?)\s+(\w+)|\b(\w+)\s+squared\b")
_VOLUME = re.compile(r"\b(?:cubic|cu\.?)\s+(\w+)|\b(\w+)\s+cubed\b")


@dataclass(frozen=True)
class Quantity:
    """A number and the canonical unit behind it (`%`, `cm`, `km/h`, `apple`; empty where there is none)."""

    value: Fraction
    unit: str


def read_quantity(text: str) -> Quantity | None:
    """The quantity that the whole (cleaned) text is, or None."""
    if len(text) > MAX_QUANTITY_CHARS:
        return None
    text = text.casefold().strip(" \t\n\"'()[]{}_*|").rstrip(".,;:!?")
    text = _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text
    sign, text = _read_sign(text)
    currency = _CURRENCIES.get(text[:1], "")
    if currency:
        text = text[1:].lstrip()
    if sign > 0:
        sign, text = _read_sign(text)
    word = _WORD.match(text)
    number = None if word else _NUMBER.match(text)
    if word:
        value, rest = Fraction(_WORDS[word[0]]), text[word.end() :]
    elif number and (found := _value(number)) is not None:
        value, rest = found, text[number.end() :]
    else:
        return None
    return _with_unit(sign * value, rest, currency)


def sole_quantity(sentence: str) -> Quantity | None:
    """The one quantity that a (cleaned) sentence names, or None where it names none or several.

    Digits count before words, because "one" is often no number.
    """
    sentence = sentence[-1000:].casefold().strip(" \t\n.!,;:")
    matches = [m for m in _NUMBER.finditer(sentence) if not _inside_word(sentence, m.start())]
    matches = matches or list(_WORD.finditer(sentence))
    if not matches:
        return None
    found = []
    for place, match in enumerate(matches):
        start, end = match.start(), matches[place + 1].start() if place + 1 < len(matches) else len(sentence)
        while start and sentence[start - 1] in "-+$€£¥₹":
            start -= 1
        found.append(read_quantity(_PHRASE_END.split(sentence[start:end], maxsplit=1)[0]))
    first = found[0]
    return first if first is not None and all(q is not None and q.value == first.value for q in found) else None


def same_quantity(truth: Quantity, given: Quantity, tolerance: float = 0.0) -> bool:
    """Whether two quantities are equal within the relative `tolerance` (of the truth)."""
    if truth.unit and given.unit and not _same_unit(truth.unit, given.unit):
        return False
    if _close(truth.value, given.value, tolerance):
        return True
    if truth.unit[:1] == "%" and given.unit == "":
        return _close(truth.value / 100, given.value, tolerance)
    return truth.unit == "" and given.unit[:1] == "%" and _close(truth.value, given.value / 100, tolerance)


def _close(truth: Fraction, given: Fraction, tolerance: float) -> bool:
    return abs(truth - given) <= abs(truth) * Fraction(tolerance)


def _same_unit(truth: str, given: str) -> bool:
    """Equal, or the response goes on after the unit: `cm long`, `apple in the picture`."""
    return truth == given or given.startswith(f"{truth} ")


def _inside_word(sentence: str, start: int) -> bool:
    return start > 0 and (sentence[start - 1].isalnum() or sentence[start - 1] == "_")


def _read_sign(text: str) -> tuple[int, str]:
    spelled = _MINUS.match(text)
    if spelled:
        return -1, text[spelled.end() :]
    if text[:1] in ("-", "+"):
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    return 1, text


def _value(number: re.Match[str]) -> Fraction | None:
    part = number.groupdict()
    if part["ten"]:
        return Fraction(10) ** int(part["ten"])
    if part["decimal"]:
        return _decimal(part["decimal"]) * Fraction(10) ** int(part["e"] or part["p"] or 0)
    top, bottom = (part["mixed_top"], part["mixed_bottom"]) if part["whole"] else (part["top"], part["bottom"])
    if not _decimal(bottom):
        return None
    return Fraction(int(part["whole"] or 0)) + _decimal(top) / _decimal(bottom)


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").replace(" ", ""))


def _with_unit(value: Fraction, rest: str, currency: str) -> Quantity | None:
    glued = bool(rest) and not rest[0].isspace() and rest[0] not in "-%°$€£¥₹"
    rest = rest.lstrip("- ") if rest[:1] == "-" and rest[1:2].isalpha() else rest.strip()
    for word, factor in _MULTIPLIERS.items():
        if re.match(rf"{word}s?\b", rest):
            value, rest, glued = value * factor, re.sub(rf"^{word}s?\s*", "", rest), False
            break
    if currency and (not rest or _canonical(rest) == currency):
        return Quantity(value, currency)
    if not rest:
        return Quantity(value, "")
    rest = _PERCENT.sub("%", rest)
    if re.search(r"[0-9=+*<>?~|\\]", rest.replace("^2", "").replace("^3", "")) or _WORD.search(rest):
        return None
    if glued and re.split(r"[\s/^.,]", rest, maxsplit=1)[0] not in _GLUED:
        return None
    unit = _canonical(rest)
    words = unit.split()
    if not words or _NO_UNIT.intersection(words) or (glued and unit == "s" and value >= 1000):
        return None
    return Quantity(value, f"{currency} {unit}".strip())


def _canonical(unit: str) -> str:
    unit = unit.strip(" .,;:!\"'()")
    if unit in _CURRENCIES:
        return _CURRENCIES[unit]
    unit = _AREA.sub(lambda m: f"{m[1] or m[2]}^2", unit)
    unit = _VOLUME.sub(lambda m: f"{m[1] or m[2]}^3", unit)
    unit = re.sub(r"\s?(?:/|\bper\b)\s?", "/", unit)
    unit = re.sub(r"°\s+(?=[cf]\b)", "°", unit)
    unit = re.sub(r"^(?:°|degrees?|deg)\s+(celsius|c|fahrenheit|f)\b", lambda m: f"°{m[1][0]}", unit)
    words = ["/".join(_canonical_word(part) for part in word.split("/")) for word in unit.split()]
    whole = " ".join(word for word in words if word)
    return _CANONICAL.get(whole, whole)


def _canonical_word(word: str) -> str:
    word = word.strip(".,;:!?\"'()")
    base, caret, power = word.partition("^")
    singular = base[:-1] if len(base) > 3 and base.endswith("s") and not base.endswith("ss") else base
    return _CANONICAL.get(base, _CANONICAL.get(singular, singular)) + caret + power
