"""Names that are written in several ways: months and weekdays, places with their country, things with what they are."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.echo import asked_words

_CALENDAR = (
    "january february march april may june july august september october november december"
    " monday tuesday wednesday thursday friday saturday sunday"
).split()
_SHORT = {name[:3]: name for name in _CALENDAR if name != "may"} | {
    "sept": "september", "tue": "tuesday", "tues": "tuesday", "weds": "wednesday", "thur": "thursday", "thurs": "thursday",
}  # fmt: skip
_PLURAL = {f"{name}s": name for name in _CALENDAR if name.endswith("day")}
_COUNTRIES = frozenset(
    "argentina|australia|austria|belgium|brazil|bulgaria|canada|chile|china|colombia|croatia|cuba|czech republic|denmark"
    "|egypt|england|estonia|ethiopia|finland|france|germany|ghana|greece|hungary|iceland|india|indonesia|iran|iraq|ireland"
    "|israel|italy|jamaica|japan|jordan|kenya|latvia|lebanon|lithuania|malaysia|mexico|morocco|nepal|netherlands|new zealand"
    "|nigeria|norway|pakistan|peru|philippines|poland|portugal|romania|russia|saudi arabia|scotland|serbia|slovakia|slovenia"
    "|south africa|south korea|spain|sweden|switzerland|taiwan|tanzania|thailand|tunisia|turkey|uganda|uk|ukraine"
    "|united kingdom|united states|uruguay|us|usa|u.s|u.s.a|venezuela|vietnam|wales|zambia|zimbabwe"
    "|alabama|alaska|arizona|arkansas|california|colorado|connecticut|florida|hawaii|idaho|illinois|indiana|iowa|kansas"
    "|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri|montana|nebraska|nevada"
    "|new jersey|new mexico|north carolina|north dakota|ohio|oklahoma|oregon|pennsylvania|south carolina|south dakota"
    "|tennessee|texas|utah|vermont|virginia|west virginia|wisconsin|wyoming".split("|")
)
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
