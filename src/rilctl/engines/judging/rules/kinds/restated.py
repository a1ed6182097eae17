"""A question that is answered by saying its own words again: `There is no cat in the picture`."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.phrases import HEDGE

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SMALL = frozenset({
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "do", "does", "did", "has", "have", "had", "can",
    "could", "will", "there", "any", "this", "that", "these", "those", "it", "its", "in", "on", "at", "of", "to",
    "shown", "visible", "image", "picture", "photo", "you", "i", "see", "seen", "some", "so",
})  # fmt: skip
_DENIED = re.compile(r"\bnot\b|n't\b", re.IGNORECASE)
_DENIALS = frozenset({"no", "not", "never"})
_ASKS = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will)\s", re.IGNORECASE)
_NO_PLAIN_QUESTION = re.compile(r"\b(?:or|not|no|never|if|why|all|only|every|always)\b|n't", re.IGNORECASE)
_SEEING = frozenset({"can", "could", "see", "seen", "shown", "visible", "image", "picture", "photo", "will"})
_PRONOUNS = frozenset({"it", "he", "she", "they", "it's", "he's", "she's", "they're"})
_OPPOSITES = {
    one: other
    for pair in ("open closed", "odd even", "full empty", "prime composite", "wet dry", "alive dead")
    for one, other in (pair.split(), reversed(pair.split()))
}
"""What is the one isn't the other."""
_BUT = re.compile(r"(?:\sbut|[,;:]\s(?:it|he|she|they|there)(?:'s|'re|\sis|\sare|\swas|\swere))\s.*$", re.IGNORECASE)
"""What is so instead."""
_REASON = re.compile(r",?\s(?:because|since)\s.*$|,\sas\s(?:it|he|she|they|the|there)\s.*$", re.IGNORECASE)
_SEEN_IN = re.compile(
    r"^\W*(?:(?:so|thus|therefore|hence),?\s)?"
    r"(?:based on|according to|from|in|looking at|as (?:shown|seen|you can see) in)"
    r" (?:the|this)(?: (?:given|provided|above))? (?:image|picture|photo|figure|chart|graph|plot|diagram|table|data"
    r"|information)(?: (?:given|provided|shown|above))?,\s",
    re.IGNORECASE,
)
"""Where an answer was found."""
_ENDING = re.compile(r"(?:ing|es|s|ed)$")


def has_opposite(sentence: str, question: str) -> bool:
    """Whether a sentence says the opposite of a word of the question: then `it is` may stand for either."""
    asked = _asked(question)
    return any(_stem(_OPPOSITES.get(word.casefold(), "")) in asked for word in _WORD.findall(sentence))


def restated(sentence: str, question: str) -> bool | None:
    """Whether a (plain) sentence affirms or denies, in the question's words, what it asks; None where neither."""
    asked = _asked(question)
    sentence = _SEEN_IN.sub("", sentence)
    if (
        not asked
        or _ASKS.match(sentence)
        or any(said.casefold() not in question.casefold() for said in HEDGE.findall(sentence))
    ):
        return None
    sentence = _REASON.sub("", sentence)
    if _DENIED.search(sentence):
        sentence = _BUT.sub("", sentence)
    words = [word.casefold() for word in _WORD.findall(sentence)]
    said = [
        _stem(word)
        for word in words
        if word not in _SMALL and word not in _PRONOUNS and word not in _DENIALS and not word.endswith("n't")
    ]
    if tuple(said) != asked and not _is_short(words, said, asked):
        turned = [_stem(_OPPOSITES.get(word, word)) for word in words if _stem(word) in said]
        is_plain = len(said) == len(words) - sum(word in _SMALL or word in _PRONOUNS for word in words)
        return False if is_plain and turned != said and sorted(turned) == sorted(asked) else None
    num_denials = sum(word in _DENIALS or word.endswith("n't") for word in words)
    return num_denials == 0 if num_denials < 2 else None


def _is_short(words: list[str], said: list[str], asked: tuple[str, ...]) -> bool:
    """Whether a pronoun stands for what the question speaks of: `It isn't green` of a light that may be green."""
    if words and words[0] in _PRONOUNS and not said:  # `It isn't`
        return all(
            word in _PRONOUNS or word in _SMALL - _SEEING or word in _DENIALS or word.endswith("n't") for word in words
        )
    return (
        (len(said) > 1 or (bool(words) and words[0] in _PRONOUNS))
        and len(said) < len(asked)
        and tuple(said) == asked[len(asked) - len(said) :]
    )


@lru_cache(maxsize=1024)
def _asked(question: str) -> tuple[str, ...]:
    """What a question of yes or no asks about, in stems and order; empty where it is another one."""
    line = question.strip().partition("\n")[0].partition("?")[0]
    if not _ASKS.match(line) or _NO_PLAIN_QUESTION.search(line) or len(line) > 200:
        return ()
    return tuple(_stem(word) for each in _WORD.findall(line) if (word := each.casefold()) not in _SMALL)


def _stem(word: str) -> str:
    return _ENDING.sub("", word) if len(word) > 4 else word
