"""Words that deny, hedge or compare, and that a question has as well: there they do none of it."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.phrases import COMPARISON, ENGLISH, FOREIGN_COMPARISON, HEDGE, NEGATION

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[<>≤≥≠±]")
_BY_ITSELF = frozenset({
    "missing", "absent", "wrong", "incorrect", "excluded", "eliminated", "false", "untrue", "unlikely", "both",
    "possible", "possibilities", "possibly", "might", "may be", "could be", "guess", "nothing", "neither",
    "until", "since",
})  # fmt: skip
"""Words that mean the same wherever they stand; of others, the question must go on as the sentence does."""
_DENIES = re.compile(r"\bwithout\b|\b(?:do|does|did|have|has|had)(?:n't| not)\b", re.IGNORECASE)
_THINKS = re.compile(r"\s(?:think|believe|know|see|say|guess|expect|agree|suppose|mean)\b", re.IGNORECASE)
_AUXILIARY = re.compile(r"\b(?:do|does|did|have|has|had)$", re.IGNORECASE)
_ALTERNATIVES = frozenset({"or", "ou", "oder", "either", "或"})


def is_doubted(text: str, question: str, *, compared: bool = False) -> bool:
    """Whether a text denies or hedges something, or compares it, in words that aren't the question's own.

    Args:
        text: tidy.
        question: what was asked.
        compared: whether `at least` and its like count as well.
    """
    patterns = (NEGATION, HEDGE, COMPARISON) if compared else (NEGATION, HEDGE)
    for pattern in patterns:
        if pattern.search(text) and any(not _is_asked(match, text, question) for match in pattern.finditer(text)):
            return True
    return compared and ENGLISH.search(text) is None and FOREIGN_COMPARISON.search(text) is not None


def _is_asked(match: re.Match[str], text: str, question: str) -> bool:
    said = match[0].casefold().strip()
    if said in _ALTERNATIVES or not question:
        return False
    if said in _BY_ITSELF:
        return said in question.casefold()
    if said == "nor":
        return "neither" in question.casefold()
    if said in ("n't", "without", "no") and _DENIES.search(question):
        is_thought = _THINKS.match(text[match.end() :]) is not None
        return said != "n't" or (not is_thought and _AUXILIARY.search(text[: match.start()]) is not None)
    words = _TOKEN.findall(f"{match[0]} {text[match.end() : match.end() + 60]}".casefold())
    num = len(_TOKEN.findall(match[0]))
    return len(words) > num and " ".join(words[: num + 1]) in _words_of(question) and num > 0


@lru_cache(maxsize=1024)
def _words_of(question: str) -> str:
    return " ".join(_TOKEN.findall(question.casefold())) + " "
