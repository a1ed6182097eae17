"""The unit behind a number, as its writer spelled it: read here, converted in `compare.quantities`."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.kinds.words import english_words
from rilctl.engines.judging.rules.read.phrases import NEGATION

CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
_CURRENCY_WORDS = {
    "usd": "dollar", "dollars": "dollar", "dollar": "dollar", "bucks": "dollar", "us$": "dollar", "u.s": "dollar",
    "eur": "euro", "euros": "euro", "euro": "euro", "gbp": "pound", "yen": "yen", "jpy": "yen", "inr": "rupee",
    "rupees": "rupee", "rupee": "rupee",
}  # fmt: skip
_ALIASES = {
    "°c": "degC", "℃": "degC", "celsius": "degC", "c": "degC", "°f": "degF", "fahrenheit": "degF", "f": "degF",
    "degree": "degree", "degrees": "degree", "deg": "degree", "°": "degree",
    "kmh": "km/h", "kph": "km/h", "kmph": "km/h", "mph": "mile/h", "kms": "km", "kgs": "kg",
    "kilo": "kg", "kilos": "kg",
    "lbs": "lb", "hrs": "h", "hr": "h", "mins": "min", "secs": "s", "sec": "s", "kb": "kB", "gb": "GB", "tb": "TB",
    "sq": "", "l": "L", "ml": "mL", "cm": "cm", "mm": "mm", "km": "km", "kg": "kg", "khz": "kHz", "ghz": "GHz",
    "hz": "Hz", "kwh": "kWh", "px": "pixel", "in": "inch", "beat/minute": "bpm", "beat/min": "bpm", "yr": "year",
    "yrs": "year", "wks": "week", "mos": "month", "pts": "point", "pcs": "piece", "sqm": "m^2", "sqft": "ft^2",
    "cc": "cm^3", "revolution/minute": "rpm", "rotation/minute": "rpm", "frame/second": "fps", "word/minute": "wpm",
    "mile/gallon": "mpg", "ohm": "Ω", "ohms": "Ω", "kilohm": "kΩ", "kilohms": "kΩ", "kiloohm": "kΩ", "kiloohms": "kΩ",
    "megohm": "MΩ", "megohms": "MΩ", "megaohm": "MΩ", "megaohms": "MΩ", "breath/minute": "bpm",
}  # fmt: skip
_EXACT = frozenset({"Mm", "MM", "mM", "Kg", "MB", "Mb", "mb", "C", "F", "c", "f", "Gb", "Kb", "Tb"})
_GLUED = re.compile(
    r"(?:[kKcmMµunGTd]?(?:m|g|L|l|s|Hz|hz|W|Wh|V|A|J|N|Pa|B|b|bit|cal|mol|pixel)|°[CF]?|[CF]|ft|in|yd|mi|lb|lbs"
    r"|oz|min|h|hr|hrs"
    r"|mph|kph|km/h|m/s|px|kwh|khz|mhz|ghz|kb|mb|gb|tb|kw|usd|eur|cms?|kms|kgs|mins|%)(?:[\^/][\w^/]{1,6})?(?!\w)",
    re.IGNORECASE,
)
"""Units that may follow a number without a space; `3D` and `5th` are no quantities."""
_NO_UNIT = frozenset({
    "or", "and", "to", "minus", "plus", "times", "not", "nor", "am", "pm", "a.m", "p.m", "bc", "ad", "bce", "ce",
    "half", "halves", "third", "thirds", "quarter", "quarters", "fourth", "fifth", "tenth", "of", "out", "but",
    "maybe", "perhaps", "if", "unless", "by", "vs", "versus", "x", "is", "was", "are", "were", "so", "because",
    "since", "which", "who", "wait", "actually", "also", "then", "therefore", "hence", "thus", "answer", "max",
    "maximum", "minimum", "tops",
})  # fmt: skip
"""Words that make it another number, a range, a time, a date or a sentence."""
_REMAINDER = frozenset({"more", "less", "fewer", "off", "ago", "later", "earlier", "short", "extra"})
"""Words at the end that make it a difference to something else."""
_INVERSE = re.compile(r"[\s·]([A-Za-zΩ]+)\s?\^\s?\{?-([123])\}?")
"""Below the line: `m s^-2`."""
_AREA = re.compile(r"\b(?:square|sq\.?)\s+(\w+)|\b(\w+)\s+squared\b", re.IGNORECASE)
_VOLUME = re.compile(r"\b(?:cubic|cu\.?)\s+(\w+)|\b(\w+)\s+cubed\b", re.IGNORECASE)
_PERCENT = re.compile(r"(?:per ?cent(?:age)?|pct)\b(?! point)", re.IGNORECASE)
_WATT_HOURS = re.compile(r"\b(kilo|mega|giga)?watt[- ]hours?\b", re.IGNORECASE)
_TIMES = re.compile(
    r"(?<=[A-Za-zΩ2])\s?[*·⋅]\s?(?=[A-Za-zΩ])|(?<=\b[ANVWJ])\s(?=(?:m|s|h)\b)|(?<=\b(?:kg|kN|kW|MW))\s(?=(?:m|s|h)\b)"
)
_MOLECULE = re.compile(r"^[A-Z][A-Za-z]*[0-9]+[A-Za-z0-9]*\s(?=[a-z]{3,})")
"""`O2` before what is counted of it."""
_UNKNOWN = frozenset("abijknpqrxyz")
"""Letters that are no units, but unknowns: `3n` is no 3."""
_TERM = re.compile(r"[-+]\s[a-z]")
"""Of an expression: `5 - i` is no 5."""
_LETTERS = re.compile(r"[^\W\d_]")


def starts_glued(rest: str) -> bool:
    """Whether a text right behind a number begins with a unit, or isn't of Latin script."""
    return _GLUED.match(rest) is not None or rest[0] > "\u2e7f"


@lru_cache(maxsize=4096)
def read_unit(rest: str) -> str | None:
    """The unit that a text behind a number is: `%`, `km/h`, `apple`; empty without one, None where it is no unit."""
    text = rest.strip(" \n\t.,;:!\"'()[]{}*_|")
    text = _MOLECULE.sub("", _TIMES.sub("·", _PERCENT.sub("%", text)))
    if not text.strip():
        return ""
    if _TERM.fullmatch(text):
        return None
    if text[0] == "%":
        return "%" if len(text) == 1 or (text[1] == " " and read_unit(text[2:]) is not None) else None
    if text in CURRENCIES:
        return CURRENCIES[text]
    if text in _UNKNOWN or ("^" not in text and any(map(str.isdigit, text))):
        return None
    text = _WATT_HOURS.sub(lambda m: {"k": "kWh", "m": "MWh", "g": "GWh"}[m[1][0].casefold()] if m[1] else "Wh", text)
    text = _AREA.sub(lambda m: f"{m[1] or m[2]}^2", text)
    text = _VOLUME.sub(lambda m: f"{m[1] or m[2]}^3", text)
    text = _INVERSE.sub(lambda m: f"/{m[1]}" if m[2] == "1" else f"/{m[1]}^{m[2]}", text)
    text = re.sub(r"\s?(?:/|\bper\b)\s?", "/", text.replace(" ^", "^"))
    text = re.sub(r"°\s+(?=[CF]\b)", "°", text)
    text = re.sub(
        r"^(?:°|degrees?|deg)\s+(celsius|c|fahrenheit|f)\b", lambda m: f"°{m[1][0]}", text, flags=re.IGNORECASE
    )
    if re.search(r"[0-9=+*<>?~|\\]", text.replace("^2", "").replace("^3", "")) or not _LETTERS.search(text + "a"):
        return None
    words = text.split()
    folded = [word.strip(".,;:!?\"'()").casefold() for word in words]
    if (
        _NO_UNIT.intersection(folded)
        or folded[-1] in _REMAINDER
        or "," in text
        or "'" in text
        or NEGATION.search(text)
        or any(english_words(text))
    ):
        return None
    if folded[0] in _CURRENCY_WORDS or (folded[0] in ("us", "u.s") and len(words) > 1):
        return _CURRENCY_WORDS.get(folded[0]) or _CURRENCY_WORDS.get(folded[1])
    return " ".join(canonical(word.strip(".,;:!?\"'()")) for word in words)


def canonical(word: str) -> str:
    """One spelling of a unit's or a noun's word; letter case is kept where it matters (`MW`, `mW`)."""
    if "·" in word:
        return "/".join("·".join(map(_part, part.split("·"))) for part in word.split("/"))
    joined = "/".join(_part(part) for part in word.split("/"))
    return _ALIASES.get(joined, joined)


def _part(word: str) -> str:
    base, caret, power = word.partition("^")
    if base not in _EXACT or base in ("C", "F", "c", "f", "Kg"):
        folded = base.casefold()
        if folded in _ALIASES:
            base = _ALIASES[folded]
        elif len(base) > 3:
            base = folded
            base = base[:-1] if base.endswith("s") and not base.endswith("ss") else base
    return base + caret + power
