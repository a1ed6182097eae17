"""Names that are written in several ways: months and weekdays, places with their country, things with what they are."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.echo import asked_words

_CALENDAR = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
_SHORT = {name[:3]: name for name in _CALENDAR if name != "may"} | {
    "sept": "september", "tue": "tuesday", "tues": "tuesday", "weds": "wednesday", "thur": "thursday",
    "thurs": "thursday",
}  # fmt: skip
_PLURAL = {f"{name}s": name for name in _CALENDAR if name.endswith("day")}
_COUNTRIES = frozenset({
    "alabama", "alaska", "argentina", "arizona", "arkansas", "australia", "austria", "belgium", "brazil",
    "bulgaria", "california", "canada", "chile", "china", "colombia", "colorado", "connecticut", "croatia", "cuba",
    "czech republic", "denmark", "egypt", "england", "estonia", "ethiopia", "finland", "florida", "france",
    "germany", "ghana", "greece", "hawaii", "hungary", "iceland", "idaho", "illinois", "india", "indiana",
    "indonesia", "iowa", "iran", "iraq", "ireland", "israel", "italy", "jamaica", "japan", "jordan", "kansas",
    "kentucky", "kenya", "latvia", "lebanon", "lithuania", "louisiana", "maine", "malaysia", "maryland",
    "massachusetts", "mexico", "michigan", "minnesota", "mississippi", "missouri", "montana", "morocco",
    "nebraska", "nepal", "netherlands", "nevada", "new jersey", "new mexico", "new zealand", "nigeria",
    "north carolina", "north dakota", "norway", "ohio", "oklahoma", "oregon", "pakistan", "pennsylvania", "peru",
    "philippines", "poland", "portugal", "romania", "russia", "saudi arabia", "scotland", "serbia", "slovakia",
    "slovenia", "south africa", "south carolina", "south dakota", "south korea", "spain", "sweden", "switzerland",
    "taiwan", "tanzania", "tennessee", "texas", "thailand", "tunisia", "turkey", "u.s", "u.s.a", "uganda", "uk",
    "ukraine", "united kingdom", "united states", "uruguay", "us", "usa", "utah", "venezuela", "vermont",
    "vietnam", "virginia", "wales", "west virginia", "wisconsin", "wyoming", "zambia", "zimbabwe",
})  # fmt: skip
_COUNTRY_BEHIND = re.compile(r"([^,;]{2,40}),\s(?:the\s)?([A-Z][\w. ]{1,20}?)[.!]?$")
_ASKS_LARGER = re.compile(r"\b(?:countr(?:y|ies)|states?|nations?|address|full)\b", re.IGNORECASE)
_APPOSITION = re.compile(r",\s(?:the|a|an)\s([^,;:]{3,80}?)[.!]?$")
_JOINED = re.compile(r"\b(?:and|or)\b")
_MIN_LETTERS = 4
"""Of a word that says what a thing is."""


def calendar_name(word: str) -> str | None:
    """The full name of a month or weekday, of a (normal) text that is its short form or plural and nothing else."""
    return _SHORT.get(word.rstrip(".")) or _PLURAL.get(word)


def without_country(text: str, question: str) -> str:
    """`Geneva` of `Geneva, Switzerland`, where no country is asked for; else empty."""
    match = _COUNTRY_BEHIND.fullmatch(text.strip())
    is_place = match is not None and match[2].casefold().rstrip(".") in _COUNTRIES
    is_larger = match is not None and match[1].casefold().strip() in _COUNTRIES
    return match[1] if match and is_place and not is_larger and not _ASKS_LARGER.search(question) else ""


@lru_cache(maxsize=1024)
def apposition_at(text: str, question: str) -> int:
    """Where a text goes on to say what its answer is, in the question's words: `Jupiter, the fifth planet`; else 0."""
    match = _APPOSITION.search(text)
    if match is None or _JOINED.search(match[1]) or "," in text[: match.start()]:
        return 0
    asked = asked_words(question)
    words = [word.casefold() for word in match[1].split()]
    return match.start() if len(words) > 1 and any(len(word) >= _MIN_LETTERS and word in asked for word in words) else 0
