"""A response's statements: its sentences and lines, with what stands around an answer taken off."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.phrases import ADDED, CONTRAST, LABEL, LEAD_IN, NEGATION, PREPOSITION, THING

_END = re.compile(r"(?<=[.!?;])[\"')*$]{0,2}\s+|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:(?:[A-Z]\.)*[A-Z]|dr|mr|mrs|ms|st|prof|jr|sr|vs|e\.g|i\.e|u\.s|u\.k|a\.m|p\.m|approx|fig"
    r"|inc|ltd|co|pp?|ca|cf"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
_NO_INITIAL = re.compile(
    r"\b(?:[Nn]ot|[Nn]or|[Nn]either|[Pp]oint|[Pp]icture|[Ii]mage|[Bb]ox|[Oo]ption|[Cc]hoice|[Ll]etter) [A-J]\.$"
    r"|[0-9]\s?[A-Za-z]\.$"
)
"""An option or a unit."""
_NUMBERED = re.compile(
    r"(?:^|\s)(?:no|nr|vol|sec|ch|rev|ver|art|ext|tel|apt|rm|eq|est|dept|par|app|ed|cod|inv|cat|kat|mss?|bd|jg"
    r"|hs|lot|op|sig"
    r"|fol|abb|taf|pl|tab|acc|reg|mod|ser|sn|bldg|fl|ste|hwy|rte|exp|max|min|temp|dist|wt|ht|qty|amt|chap|arts?"
    r"|cl|div)\.$",
    re.IGNORECASE,
)
_ENUMERATOR = re.compile(r"^[ \t]{0,8}([0-9]{1,2})[.)][ \t]{1,4}(?=\S)", re.MULTILINE)
_EXPLAINS_ONE = re.compile(
    r"(?:because|since|as|the|there|it|this|that|i|only|explanation|reason|wait|no|so|in)\b", re.IGNORECASE
)
_NOT_BUT = re.compile(
    r"^\W*(?:(?:(?:it|that|this|he|she|they|these|there)(?:'s| is| was| are| were|'re) )?not"
    r"|(?:it|that|this|he|she|they|these|there) (?:is|was|are|were)n't) (?!only|just)"
    rf"(?:{THING}{{1,40}}?,? but (?:rather )?|{THING}{{1,40}}?[,;] (?:it|that|this|he|she|they|these|there)(?:'s|'re"
    r"| is| was| are| were) (?!not))(?=[\w$€£(\[-])",
    re.IGNORECASE,
)
_NOT_NOT = re.compile(
    r"^\W*(?:(?:not|neither) [^,.;:]{1,30}(?:,|;|,? and|,? nor) ?)*(?:not|nor) (?!the (?:\w+ )?(?:answer"
    r"|solution|result)\b)(?:[^,.;:]"
    r"|[.,](?=[0-9])){1,30}(?:, (?:which|as|because|since)\b[^.;:]{1,80})?: (?=[\w$€£(-])",
    re.IGNORECASE,
)
_ITS_NOT_BUT = re.compile(
    rf"^(\W*(?:the|its|his|her|their) [\w' -]{{2,40}}? (?:is|was|are|were))(?:n't| not) (?!only|just){THING}{{1,40}}?"
    r"(?:, as [^,.;:]{2,40},|,)? but (?:rather )?(?=[\w$€£(\[-])",
    re.IGNORECASE,
)
_NO_OTHER = re.compile(r"\b(?:none|no one|nobody) (?:other than|else but|but) (?=\w)", re.IGNORECASE)
_HAN_NOT_BUT = re.compile(r"^\W*不是[^，,。.]{1,20}[，,]\s?(?:而是|是)")
_PARENTHESIS = re.compile(
    r",\s(?:read|seen|as|taken|measured|shown)\s[^,0-9]{2,40},(?=\s(?:is|was|are|reads|shows)\b)", re.IGNORECASE
)
_ASKED_NEGATION = re.compile(r"\b(?:(\w+)n't|not|never|no)(?: (\w+)|\W*$)", re.IGNORECASE)
_ENDS_DENIED = re.compile(r"(?:do|does|did|have|has|is|are)n't\?\W*$", re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+|[0-9]{1,2}[.)]\s+)(?=\S)")
_CLAUSE_END = re.compile(
    r"(?:[.?]|(?<![0-9])!)(?=\s|$)|[;\n]"
    r"|,?\s(?:because|since|which|so|given|where|due|for"
    r"|as(?! (?:many|much|few|large|small|big|little|long|short|tall|high|low|old|fast|slow|heavy|light)\b))\s|\s(?=\()"
    r"|,\s(?=(?:or|and|but|not|maybe)\b)"
    r"|,?\s(?=(?:if|unless|assuming)\s)|(?<=[A-Za-z.)\"'])\s-\s(?=[A-Za-z])|:\s"
)


def split_statements(text: str) -> list[str]:
    """Sentences and lines; an initial, an abbreviation and an option's letter end none."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        before = text[start : match.start()]
        if "\n" not in match[0]:
            tail = before[-8:]
            is_short = _ABBREVIATION.search(tail) and not _NO_INITIAL.search(tail)
            if is_short or (_NUMBERED.search(tail) and text[match.end() : match.end() + 1].isdigit()):
                continue
        if before.strip():
            found.append(before.strip())
        start = match.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def without_enumerators(text: str, *, any_number: bool = False) -> str:
    """Without the numbers before the lines of a list or of steps: `1. First, …`; a single `5.` may be an answer.

    Args:
        text: tidy.
        any_number: whether a single one is none, because no number is asked for.
    """
    found = list(_ENUMERATOR.finditer(text))
    if any_number and len(found) == 1 and not found[0].start():
        return text[found[0].end() :]
    if [int(match[1]) for match in found[:2]] == [1, 2]:
        return _ENUMERATOR.sub("", text)
    if found and found[0].start() == 0 and found[0][1] == "1" and not _EXPLAINS_ONE.match(text[found[0].end() :]):
        return text[found[0].end() :]
    return text


@lru_cache(maxsize=1024)
def _asked_denied(question: str) -> frozenset[str]:
    """What the question denies; an empty word where it ends with a denial: `How many don't`."""
    denied = {(match[2] or "").casefold() for match in _ASKED_NEGATION.finditer(question)}
    return frozenset(denied | {""} if "n't" in question else denied)


def without_asked_negation(text: str, question: str) -> str:
    """Without a denial that the question has as well: `It was not awarded in 1916` of when it was not awarded."""
    asked = _asked_denied(question)
    if not asked:
        return text
    is_elliptical = _ENDS_DENIED.search(question) is not None

    def kept(match: re.Match[str]) -> str:
        following = (match[2] or "").casefold()
        is_asked = (following in asked and (following or match[1])) or (is_elliptical and match[1])
        return f"{match[1] or ''} {match[2] or ''}" if is_asked else match[0]

    return _ASKED_NEGATION.sub(kept, text)


def first_clause(text: str) -> str:
    """What stands before the first full stop, explanation or alternative."""
    return _CLAUSE_END.split(text, maxsplit=1)[0].strip()


def without_list_mark(text: str) -> str:
    """Without the dash or number before a list's line."""
    return _LIST_MARK.sub("", text)


@lru_cache(maxsize=4096)
def bare_forms(text: str) -> tuple[str, ...]:
    """A statement as it is, without what leads into an answer, and without its label; the longest first."""
    forms = [text]
    lead = LEAD_IN.match(text)
    if lead and lead.end():
        forms.append(text[lead.end() :])
    for form in list(forms):
        label = LABEL.match(form) if ":" in form else None
        if label:
            forms.append(form[label.end() :])
            inner = LEAD_IN.match(forms[-1])
            if inner and inner.end():
                forms.append(forms[-1][inner.end() :])
    last = PREPOSITION.match(forms[-1])
    if last:
        forms.append(forms[-1][last.end() :])
    return tuple(dict.fromkeys(form.strip() for form in forms if form.strip()))


def without_contrast(text: str) -> str:
    """Without what changes nothing behind an answer, and what it is not.

    `Lisbon, not Porto`, `not Porto but Lisbon` and `Lisbon, of course` are Lisbon.
    """
    text = _PARENTHESIS.sub("", text) if ", " in text else text
    if " but " in text or " other than " in text:
        text = _ITS_NOT_BUT.sub(r"\1 ", _NO_OTHER.sub("", text))
    denied = _NOT_BUT.match(text) or _NOT_NOT.match(text) or _HAN_NOT_BUT.match(text)
    if denied:
        return text[denied.end() :]
    added = ADDED.search(text)
    if added and added.start():
        text = text[: added.start()] + text[added.end() :]
    contrast = CONTRAST.search(text)
    if contrast is None or NEGATION.search(text[: contrast.start()]):
        return text
    return text[: contrast.start()] + text[contrast.end() :]


def label_of(statement: str) -> str:
    """What stands before a statement's colon; empty where nothing does."""
    label = LABEL.match(statement) if ":" in statement else None
    return statement[: label.end()].rstrip(" :") if label else ""


def without_question(text: str, question: str) -> str:
    """Without a repetition of the whole question."""
    words = question.split()
    if not 3 <= len(words) <= 1000 or words[0] not in text:
        return text
    return re.sub(r"\s+".join(map(re.escape, words)), "\n", text, flags=re.IGNORECASE)
