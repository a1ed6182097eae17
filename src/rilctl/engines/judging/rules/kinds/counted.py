"""What a question's own words do to a sentence with a number: they deny, compare and count nothing by themselves."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.clauses import stem, stems
from rilctl.engines.judging.rules.read.phrases import HEDGE, SPOKEN_SUM
from rilctl.engines.judging.rules.read.statements import without_asked_negation

_HOW_MANY = re.compile(
    r"\bhow (?:many|much) (?!(?:is|are|was|were|do|does|did|has|have|had|can|will"
    r"|would)\b)([\w\s-]{2,60}?)(?=\s(?:are|is|were|was|do|does|did|can|could|have|has|had|will|would"
    r"|in|on|of|at|with"
    r"|from|there|here|left|shown|that|who|which|you)\b|\?|$)",
    re.IGNORECASE,
)
_HOW_MUCH = re.compile(r"\bhow much (?:of (?:the |his |her |its |their )?)?(\w+)", re.IGNORECASE)
_NO_STUFF = frozenset({"money", "cash", "change", "time", "profit", "interest", "tax"})
_MEASURING = frozenset({
    "gram", "kilogram", "mg", "g", "kg", "ton", "tonne", "pound", "ounce", "tablespoon", "teaspoon", "cup", "gallon",
    "quart", "pint", "liter", "litre", "milliliter", "millilitre", "ml", "mL", "L", "mile", "meter", "metre", "foot",
    "inch", "yard", "km", "m", "cm",
})  # fmt: skip
_NO_PERSON = re.compile(r"\W*(?:no ?one|nobody|none of (?:the|these|those) \w+)\s(?P<rest>[^.,;\n]{2,80})[.!]?\s*")
_PERSONS = frozenset(
    {
        "people",
        "persons",
        "men",
        "women",
        "children",
        "boys",
        "girls",
        "adults",
        "players",
        "students",
        "kids",
        "passengers",
    }
)
_NONE = re.compile(
    r"\W*(?:none(?: of (?:them|these|those|it))?|zero|nil)(?: (?:are|is|at all|left|there|here|shown|visible))*\W*"
)
_NO_NOUN = re.compile(
    r"\W*(?:(?:there|here) (?:are|is|were|was) |i (?:can )?(?:see|count|find) |(?:it|he|she|they) (?:has|have|had) )?"
    r"(?:no|not any|zero)\s+(?P<noun>\w+(?: \w+)?)(?P<rest>[^.;\n]{0,80})[.!]?\s*"
)
_SEEN = stems("left shown visible seen image picture photo present anywhere remaining found there")
"""What may be said of things that aren't there, whatever was asked of them."""
_OTHERWISE = re.compile(
    r"[0-9,]|\b(?:but|except|only|other|one|two|three|four|five|six|whole|full|way|sure|though|however)\b"
)
_SPOKEN_HINT = re.compile(" by | times | plus | minus | over ")
_QUOTED = re.compile(r"\"([^\"\n]{1,80})\"")
_COMPARED = re.compile(
    r"\b(?:(?:more|less|fewer|greater|higher|lower|larger|smaller|bigger|taller|older|younger) than|at least|at most"
    r"|up to|over|under|above|below|before|after|since|between [$€£]?[0-9][0-9,.]*%? and)"
    r"\s[$€£]?[0-9](?:[0-9,.]*[0-9])?%?(?![\w.,]*[0-9])",
    re.IGNORECASE,
)
LOOKS = frozenset({
    "red", "blue", "green", "yellow", "black", "white", "brown", "orange", "purple", "pink", "grey", "gray", "big",
    "large", "small", "little", "old", "young", "tall", "short", "round", "square", "male", "female", "open", "closed",
    "empty", "full", "metal", "rubber", "wooden",
})  # fmt: skip
"""What tells things of one name apart."""
_MEASURES = frozenset(
    {"dollar", "euro", "pound", "percent", "total", "left", "year", "hour", "minute", "day", "time", "cent"}
)
_COMPARING = re.compile(
    r"\b(?:(?:more|less|fewer|greater|higher|lower|larger|smaller|bigger|taller|older|younger) than|at least|at"
    r" most|up to|over|under"
    r"|above|below|beyond|exceed(?:s|ed|ing)?|no more than|no less than"
    r"|[<>≤≥])\s?(?P<number>[$€£]?[0-9](?:[0-9,.]*[0-9])?%?)(?![\w.,]*[0-9])",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"(?:\bwithout|n't have|\bnot have)\s(?:an? |the |any )?(\w+)", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:without|no|not|none|lack\w*|neither|never)\b|n't\b", re.IGNORECASE)
_LAST_WORD = re.compile(r"(\w+)\s$")
_OF_SOMETHING = re.compile(
    r"\W*\S+ (?:is|was|are|were) (?:only )?the (?:total )?(?:number|count|amount) of (\w+)", re.IGNORECASE
)


_CHANGED = re.compile(
    r"\b(?:(?:up|down|more|less|increas\w*|decreas\w*|rose|risen|rise|fell|fallen|fall|grew|grown|grow|dropped"
    r"|declined|gained|lost)"
    r"\sby|(?:an?\s)?(?:increase|decrease|drop|rise|growth) of)\s",
    re.IGNORECASE,
)
_BECAME = re.compile(
    r"\b(?:increased|decreased|rose|risen|fell|fallen|grew|grown|dropped|declined|went (?:up"
    r"|down)) to\s(?=[$€£]?[0-9])",
    re.IGNORECASE,
)
_ASKS_CHANGE = re.compile(
    r"\b(?:by|chang\w*|increas\w*|decreas\w*|gr[eo]w\w*|more|less|fewer|higher|lower|differ\w*|drop\w*"
    r"|r[io]se\w*|f[ae]ll\w*|declin\w*"
    r"|gain\w*|los[est]\w*|gap|up|down|improv\w*|larger|smaller|longer|shorter|older|younger|taller|add\w*"
    r"|rais\w*|reduc\w*)\b",
    re.IGNORECASE,
)
_ASKS_BY_HOW_MUCH = re.compile(r"\bby (?:how (?:many|much)|what)\b", re.IGNORECASE)


def changes_otherwise(text: str, question: str) -> bool:
    """Whether a number is a change where none was asked for, or what something became where the change was."""
    if " by " in text or " of " in text:
        return _CHANGED.search(text) is not None and _ASKS_CHANGE.search(question) is None
    return " to " in text and _BECAME.search(text) is not None and _ASKS_BY_HOW_MUCH.search(question) is not None


@lru_cache(maxsize=1024)
def _compares(question: str) -> bool:
    return _COMPARED.search(question) is not None


@lru_cache(maxsize=1024)
def _compared_with(question: str) -> frozenset[str]:
    """The numbers that a question compares with."""
    return frozenset(match["number"] for match in _COMPARING.finditer(question))


@lru_cache(maxsize=1024)
def _counted(question: str) -> frozenset[str]:
    """The words of what a question counts; empty where it counts nothing."""
    match = _HOW_MANY.search(question)
    return frozenset(match[1].casefold().split()) if match else frozenset()


def is_none(text: str, question: str) -> bool:
    """Whether a (plain) text says that there is none of what the question counts."""
    folded = text.casefold()
    if not ("no" in folded or "zero" in folded or "nil" in folded) or not (counted := _counted(question)):
        return False
    if _NONE.fullmatch(folded):
        return True
    match = _NO_PERSON.fullmatch(folded)
    if match and (counted & _PERSONS or "none of" in folded):
        return stems(match["rest"]) <= stems(question) and not _OTHERWISE.search(match["rest"])
    match = _NO_NOUN.fullmatch(folded)
    return (
        match is not None
        and not {stem(word) for word in match["noun"].split()}.isdisjoint(map(stem, counted))
        and stems(text[match.start("noun") :]) <= stems(question) | _SEEN
        and not _OTHERWISE.search(text[match.start("noun") :])
        and not HEDGE.search(text[match.start("noun") :])
    )


def without_asked_words(text: str, question: str) -> str:
    """Without the quotations, comparisons and denials that the question has as well, and with `=` in a spoken sum."""
    if '"' in text:
        text = _QUOTED.sub(lambda match: '""' if match[1] in question else match[0], text)
    if _compares(question):
        numbers = _compared_with(question)
        text = _COMPARING.sub(lambda match: "" if match["number"] in numbers else match[0], text)
        folded = question.casefold()
        text = _COMPARED.sub(lambda match: "" if match[0].casefold() in folded else match[0], text)
    if _SPOKEN_HINT.search(text):
        text = SPOKEN_SUM.sub(lambda match: f"{match[0].rsplit(None, 1)[0]} = ", text)
    return without_asked_negation(text, question)


@lru_cache(maxsize=1024)
def _named_besides(question: str) -> frozenset[str]:
    """Stems of things that a question of how many names besides those which it counts."""
    counted = {stem(word) for word in _counted(question)}
    return stems(question.replace("?", ".")) - counted - _MEASURES if counted else frozenset()


def _measures_it(unit: str, question: str) -> bool:
    """Whether a unit is one in which what the question asks how much there is of may be measured."""
    asked = _HOW_MUCH.search(question)
    if asked is None or asked[1].casefold() in _NO_STUFF or unit not in _MEASURING:
        return False
    measured = re.findall(rf"\b{unit}s?\sof\s(?:the |his |her |its |their )?(\w+)", question.casefold())
    return not measured or asked[1].casefold() in measured


def is_of_another(unit: str, question: str) -> bool:
    """Whether a number counts something else that the question names: `14 pens` of how many dollars are left."""
    words = unit.split()
    if not words or not _counted(question) or _measures_it(words[-1], question):
        return False
    looks = LOOKS.intersection(words)
    if looks and _counted(question) & LOOKS:
        return looks.isdisjoint(_counted(question))
    if stem(words[-1]) not in _named_besides(question):
        return False
    return {stem(word) for word in words}.isdisjoint(stem(word) for word in _counted(question))


@lru_cache(maxsize=1024)
def _denied(question: str) -> frozenset[str]:
    """Stems of what a question of a share says that it isn't there: `households without a car`."""
    match = _WITHOUT.search(question)
    return stems(match[1]) if match else frozenset()


def affirms_denied(text: str, question: str) -> bool:
    """Whether a sentence says of those who have what the question says that they don't."""
    denied = _denied(question) if "without" in question or "n't" in question or " not " in question else frozenset()
    return bool(denied) and bool(stems(text) & denied) and not _DENIAL.search(text)


def names_one(before: str, question: str) -> bool:
    """Whether a number names one of what the question counts: `Lane 3` of how many lanes there are."""
    match = _LAST_WORD.search(before)
    word = match[1].casefold() if match else ""
    return bool(word) and not word.endswith("s") and f"{word}s" in _counted(question)


def counts_another(text: str, question: str) -> bool:
    """Whether a sentence says of its number that it counts something that wasn't asked for."""
    match = _OF_SOMETHING.match(text) if " of " in text else None
    return match is not None and match[1].casefold() not in question.casefold()
