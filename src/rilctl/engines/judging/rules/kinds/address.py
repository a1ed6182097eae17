"""E-mail and web addresses."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.doubts import is_doubted

_ADDRESS = re.compile(
    r"(?<![\w.@/-])(?:[\w.+-]{1,60}@[\w-]{1,60}(?:\.[\w-]{1,30}){1,5}"
    r"|(?:https?://)?(?:www\.)?[\w-]{2,60}(?:\.[\w-]{1,30}){0,4}\.[a-z]{2,10}(?:/[\w./?=&%-]{0,100})?)(?![\w@])",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"^(?:https?://)?(?:www\.)?|(?:/|\.)$")


class AddressKind(Kind):
    """Addresses as answers, letter by letter but for their case, `https://` and `www`.

    Args:
        question: its own words doubt nothing.
    """

    name = "address"

    def __init__(self, question: str) -> None:
        self._question = question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        match = _ADDRESS.fullmatch(text.strip(" \t\n\"'*_()[]<>`,;:.!"))
        return None if match is None else _bare(match[0])

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        found = {_bare(match[0]) for match in _ADDRESS.finditer(sentence[-1000:])}
        if not found:
            return None
        outside = _ADDRESS.sub(" ", sentence)
        return found.pop() if len(found) == 1 and not is_doubted(outside, self._question) else SEVERAL

    def fits(self, truth: Any, given: Any) -> bool:
        """See `Kind`."""
        return _bare(truth) == _bare(given)


def is_address(text: str) -> bool:
    """Whether a ground truth is such an address."""
    is_marked = "@" in text or "www." in text or "://" in text
    return is_marked and _ADDRESS.fullmatch(text.strip()) is not None


def _bare(address: str) -> str:
    return _SCHEME.sub("", address.casefold())
