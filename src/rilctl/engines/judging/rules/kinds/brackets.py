"""Brackets and nothing else: those that close what a question has opened. Their order is the answer."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import Kind

_BRACKETS = frozenset("()[]{}<>")
_BETWEEN = re.compile(r"[\s,;\"'`$\\]+")


def is_brackets(text: str) -> bool:
    """Whether a (tidy) text has nothing but brackets and white space."""
    return bool(text.strip()) and {*text} - {" ", "\n"} <= _BRACKETS


class BracketsKind(Kind):
    """Sequences of brackets, without what stands between them."""

    name = "brackets"

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        joined = _BETWEEN.sub("", text).strip(".:*")
        return joined if joined and {*joined} <= _BRACKETS else None

    def within(self, sentence: str) -> Any:
        """See `Kind`: none; a sentence that works out which close has brackets of all sorts."""
        return None
