"""Numbers written in digits, exactly: `1,234.5`, `-3/4`, `1 1/2`, `1.2e3`, `6 * 10^3`, `1.2M`, `0.333...`."""

import re
from fractions import Fraction

_DECIMAL = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,3}(?: [0-9]{3})+(?![0-9/])(?:[.,][0-9]+)?"
    r"|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
)
_POWER = r"(?:[eE](?P<e>[-+]?[0-9]{1,3})(?![0-9a-zA-Z])|\s?[*x]\s?10\s?(?:\^|\*\*)\s?[({]?(?P<p>[-+]?[0-9]{1,3})[)}]?)"
NUMERAL = re.compile(
    r"(?:(?P<whole>[0-9]{1,9})[ ]+\(?(?P<mixed_top>[0-9]{1,9})\)?\s?/\s?\(?(?P<mixed_bottom>[0-9]{1,9})\)?"
    rf"|(?P<top>{_DECIMAL})\s?/\s?(?P<bottom>{_DECIMAL})"
    r"|10\s?\^\s?[({]?(?P<ten>[-+]?[0-9]{1,3})[)}]?"
    r"|(?P<base>[0-9]{1,4})\s?\^\s?(?P<exponent>[0-9]{1,2})(?![0-9])"
    r"|(?P<repeating>[0-9]*\.[0-9]*?(?P<period>[0-9]{1,6}?)(?P=period){2,}(?:\.\.\.|…))"
    r"|(?P<dotted>[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9,.]*[0-9]))"
    r"|(?P<european>[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{2}(?![0-9,.]*[0-9]))"
    r"|(?P<comma>[0-9]{1,9},(?:[0-9]{1,2}|[0-9]{4,9})(?![0-9,.]))"
    rf"|(?P<decimal>{_DECIMAL}){_POWER}?)(?![0-9])"
)
SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "bn": 10**9, "Bn": 10**9, "T": 10**12}
_SCALE = re.compile(rf"\s*({'|'.join(SCALES)}|mio|mrd)s?\b", re.IGNORECASE)
_HAN = {"万": 10**4, "亿": 10**8}
_SUFFIX = re.compile(r"(k|K|M|B|[bB]n|T)(?![\w/°²^])")
_SCIENTIFIC = re.compile(r"\W*[0-9][0-9.,]*\s?[*x]\s?10\^")


def numeral_value(match: re.Match[str]) -> Fraction | None:
    """The value of a match of `NUMERAL`, None of one that divides by zero."""
    part = match.groupdict()
    if part["ten"]:
        return Fraction(10) ** int(part["ten"])
    if part["base"]:
        return Fraction(int(part["base"]) ** int(part["exponent"]))
    if part["repeating"]:
        return _repeating(part["repeating"].rstrip(".…"), part["period"])
    if part["dotted"]:
        return Fraction(part["dotted"].replace(".", ""))
    if part["european"]:
        return Fraction(part["european"].replace(".", "").replace(",", "."))
    if part["comma"]:
        return Fraction(part["comma"].replace(",", "."))
    if part["decimal"]:
        power = int(part["e"] or part["p"] or 0)
        return _decimal(part["decimal"]) * Fraction(10) ** power if power else _decimal(part["decimal"])
    top, bottom = (part["mixed_top"], part["mixed_bottom"]) if part["whole"] else (part["top"], part["bottom"])
    if not _decimal(bottom):
        return None
    return Fraction(int(part["whole"] or 0)) + _decimal(top) / _decimal(bottom)


def read_scale(rest: str) -> tuple[int, int]:
    """The factor that stands behind a number (`million`, a glued `k`), and where it ends."""
    suffix = _SUFFIX.match(rest)
    if suffix:
        return SUFFIXES[suffix[1]], suffix.end()
    if rest[:1] in _HAN:
        return _HAN[rest[0]], 1
    word = _SCALE.match(rest)
    if word:
        name = word[1].casefold()
        return SCALES.get(name) or {"mio": 10**6, "mrd": 10**9}[name], word.end()
    return 1, 0


def _decimal(digits: str) -> Fraction:
    if digits.isdigit():
        return Fraction(int(digits))
    if " " in digits:
        digits = digits.replace(",", ".") if "." not in digits else digits.replace(",", "")
    return Fraction(digits.replace(",", "").replace(" ", ""))


def _repeating(digits: str, period: str) -> Fraction:
    whole, _, decimals = digits.partition(".")
    before = decimals
    while before.endswith(period):
        before = before[: -len(period)]
    value = Fraction(int(whole or 0)) + (Fraction(int(before), 10 ** len(before)) if before else 0)
    return value + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(before))


def is_scientific(text: str) -> bool:
    """Whether a text begins with a number times a power of ten."""
    return _SCIENTIFIC.match(text) is not None
