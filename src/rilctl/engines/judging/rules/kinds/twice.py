"""One amount that is said twice: `0.030 kN, or 30 N`."""

import re

from rilctl.engines.judging.rules.compare.quantities import same_quantity
from rilctl.engines.judging.rules.kinds.quantity import read_quantity

_AMOUNT = r"[-$€£]?[0-9](?:[0-9.,]*[0-9])?(?:\s?\*\s?10\^-?[0-9]{1,2})?\s?[A-Za-zμ°Ω%][\w/^·°]{0,11}"
_TWICE = re.compile(
    rf"(?<![\w.,])(?P<one>{_AMOUNT})(?:,?\s(?:or|i\.e\.,?|that is,?|which is)\s|\s?=\s?)(?P<other>{_AMOUNT})(?=\W*$)"
)


def without_again(text: str) -> str:
    """A (plain) text that ends with one amount in two units with the second alone; any other text as it is."""
    match = _TWICE.search(text) if " or " in text or " is" in text or "=" in text or "i.e." in text else None
    if match is None:
        return text
    one, other = read_quantity(match["one"]), read_quantity(match["other"])
    is_same = one is not None and other is not None and one.unit != other.unit and same_quantity(one, other)
    return text[: match.start()] + match["other"] + text[match.end() :] if is_same else text
