"""What a sentence speaks of, and whether it was asked about."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.clauses import clauses, stem, stems
from rilctl.engines.judging.rules.read.phrases import CONCLUSION

_SUBJECT = re.compile(
    r"\W*(?:(?:so|and|but|thus|therefore|hence|then|also)\b,?\s)?the\s(?P<words>(?:[\w'-]+\s){1,3}?)"
    r"(?:of\s[^.,:;]{1,40}?\s)?"
    r"(?:is|are|was|were|has|have|says|reads|looks|appears|costs|weighs|measures|stands|sits|lies|holds|wears"
    r"|holding|wearing)\s",
    re.IGNORECASE,
)
_GENERIC_WORDS = (
    "answer", "result", "value", "number", "total", "sum", "count", "amount", "colour", "color", "object", "thing",
    "item", "animal", "person", "vehicle", "building", "structure", "place", "location", "text", "sign", "label",
    "caption", "title", "headline", "heading", "inscription", "lettering", "writing", "logo", "name", "display",
    "screen", "reading", "chart", "graph", "diagram", "figure", "table", "plot", "map", "bar", "line", "slice",
    "column", "row", "axis", "legend", "arrow", "needle", "pointer", "hand", "scale", "option", "choice", "letter",
    "statement", "solution", "final", "correct", "right", "last", "second", "first", "third", "fourth", "only",
    "other", "rest", "remaining", "document", "page", "form", "receipt", "bill", "invoice", "card", "poster",
    "board", "plate", "badge", "note", "message", "difference", "mean", "median", "average", "maximum", "minimum",
    "range", "ratio", "probability", "fraction", "percentage", "share", "rate", "price", "cost", "highest",
    "lowest", "largest", "smallest", "biggest", "tallest", "most", "least", "same", "following", "date", "year",
    "time", "day", "month", "brand", "type", "kind", "word", "phrase", "term", "country", "city", "state", "town",
    "expression", "equation", "function", "angle", "side", "length", "width", "height", "area", "volume", "image",
    "picture", "photo", "words", "signature", "sequence", "values", "numbers", "digits", "meter", "gauge", "dial",
    "thermometer", "clock", "watch", "odometer", "peak", "age", "y-axis", "x-axis", "winner", "champion", "leader",
    "owner", "author", "artist", "painter", "writer", "director", "singer", "player", "team", "company", "maker",
    "manufacturer", "capital", "language", "currency", "material", "shape", "pattern", "weather", "season", "sport",
    "game", "activity", "event", "subject", "topic", "theme", "purpose", "reason", "middle", "one", "center",
    "centre", "product", "quotient",
)  # fmt: skip
_HAN_SUBJECT = re.compile("\\W*([\u4e00-\u9fff]{1,12}?)[是为]")
_HAN_GENERIC = re.compile("[它这那他她其应]|答案|结果|颜色|名字|名称|数字|数量|总|一共|所以|因此|正确|可以|看到|应该")
_CALLED = re.compile(r"\b(?:is|are|was|were) (?:called|named)\b", re.IGNORECASE)
_ASKS_NAME = re.compile(r"\bname of (?:the|this|that)\b", re.IGNORECASE)
_NAMED = frozenset({"name", "colour", "color", "age", "height", "price"})
_OWNER = re.compile(r"'s\b|\bof (?:the|this|that|his|her|its)\b", re.IGNORECASE)
_GENERIC = frozenset(map(stem, _GENERIC_WORDS))
"""Stems of what a sentence may speak of whatever was asked."""
_MODIFIERS = frozenset({
    "red", "blue", "green", "yellow", "black", "white", "brown", "orange", "purple", "pink", "grey", "gray", "left",
    "right", "top", "bottom", "upper", "lower", "big", "large", "small", "little", "old", "young", "new", "tall",
    "short", "round", "square", "first", "second", "third", "last", "front", "back", "middle", "male", "female",
})  # fmt: skip


@lru_cache(maxsize=4096)
def is_about_another(sentence: str, question: str) -> bool:
    """Whether a sentence's subject is a thing that the question doesn't name, or one of another look than there."""
    match = _SUBJECT.match(sentence)
    if match is None and not sentence.isascii() and (han := _HAN_SUBJECT.match(sentence)):
        head = han[1].rpartition("的")[2]
        return bool(question) and set(head).isdisjoint(question) and not _HAN_GENERIC.search(han[1])
    if match is None or not question or len(clauses(sentence)) > 1 or CONCLUSION.search(sentence) or "=" in sentence:
        return False
    words = [word.casefold() for word in match["words"].split()]
    owned = next((place for place, word in enumerate(words) if word.endswith("'s")), None)
    owner = stem(words[owned][:-2]) if owned is not None else ""
    words = words if owned is None or len(words) == owned + 1 else words[owned + 1 :]
    said, asked = {stem(word) for word in words}, stems(question)
    if said & _NAMED and _OWNER.search(question) and owner and owner not in asked | _GENERIC:
        return True
    if (
        _CALLED.search(sentence)
        and _ASKS_NAME.search(question)
        and said.isdisjoint(asked | _NAMED)
        and "title" not in said
    ):
        return True
    modifiers = _MODIFIERS.intersection(words)
    named = _named_looks(question, stem(words[-1]))
    if modifiers and named and stems(sentence[match.end() :]) - asked:
        return modifiers.isdisjoint(named)
    if (
        not asked
        or said & _GENERIC
        or any(one.startswith(other) or other.startswith(one) for one in said for other in asked)
    ):
        return False
    says_more = stems(sentence[match.end() :]) - asked  # else the subject is the answer
    return bool(says_more) or any(map(str.isdigit, sentence))


@lru_cache(maxsize=4096)
def begins_with_another(sentence: str, question: str) -> bool:
    """Whether a sentence's first clause is about a thing that the question doesn't name, and a later one about its own.

    `The library is on the 3rd floor, the cafeteria on the 2nd` says first where the library is.
    """
    first, comma, rest = sentence.partition(", ")
    match = _SUBJECT.match(first) if comma else None
    if match is None:
        return False
    said, asked = {stem(word.casefold()) for word in match["words"].split()}, stems(question)
    return not said & (asked | _GENERIC) and bool((stems(rest) & asked) - stems(first) - _GENERIC)


@lru_cache(maxsize=4096)
def _named_looks(question: str, noun: str) -> frozenset[str]:
    """The looks of a thing that a question names."""
    words = re.findall(r"[^\W\d_]+", question.casefold())
    places = [place for place, word in enumerate(words) if stem(word) == noun]
    return frozenset(words[place - 1] for place in places if place and words[place - 1] in _MODIFIERS)
