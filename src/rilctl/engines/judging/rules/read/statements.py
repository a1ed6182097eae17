"""A response's statements: its sentences and lines, with what stands around an answer taken off."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.phrases import CONTRAST, LABEL, LEAD_IN, NEGATION, PREPOSITION

_END = re.compile(r"(?<=[.!?;])[\"')*$]{0,2}\s+|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:(?:[A-Z]\.)*[A-Z]|dr|mr|mrs|ms|st|prof|jr|sr|vs|e\.g|i\.e|u\.s|u\.k|a\.m|p\.m|approx|fig|inc|ltd|co|pp?|ca|cf"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:^|\s)(?:no|nr|vol|sec|ch)\.$", re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+|>\s(?=[A-J]\b)|[0-9]{1,2}[.)]\s+)(?=\S)")
_CLAUSE_END = re.compile(
    r"(?:[.?]|(?<![0-9])!)(?=\s|$)|[;\n]|,?\s(?:because|since|as|which|so|given|where|due|for)\s|\s(?=\()|,\s(?=(?:or|and|but|not|maybe)\b)"
    r"|,?\s(?=(?:if|unless|assuming)\s)|(?<=[A-Za-z.)\"'])\s-\s(?=[A-Za-z])|:\s"
)
_WORDS = re.compile(r"\w[\w'-]*")
_NO_ECHO = frozenset(
    {"more", "less", "fewer", "than", "not", "no", "or", "at", "least", "most", "over", "under", "between"}
)
_ALWAYS = frozenset({"the", "a", "an", "is", "was", "are", "were", "one", "there", "it"})


def split_statements(text: str) -> list[str]:
    """Sentences and lines; an initial, an abbreviation and an option's letter end none."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        before = text[start : match.start()]
        if "\n" not in match[0]:
            tail = before[-8:]
            if _ABBREVIATION.search(tail) or (_NUMBERED.search(tail) and text[match.end() : match.end() + 1].isdigit()):
                continue
        if before.strip():
            found.append(before.strip())
        start = match.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


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
        label = LABEL.match(form)
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
    """Without what an answer is not: `Lisbon, not Porto` is Lisbon."""
    contrast = CONTRAST.search(text)
    if contrast is None or NEGATION.search(text[: contrast.start()]):
        return text
    return text[: contrast.start()] + text[contrast.end() :]


def label_of(statement: str) -> str:
    """What stands before a statement's colon; empty where nothing does."""
    label = LABEL.match(statement)
    return statement[: label.end()].rstrip(" :") if label else ""


@lru_cache(maxsize=1024)
def asked_words(question: str) -> frozenset[str]:
    """Words of a question that around an answer are no part of it."""
    return (frozenset(word.casefold() for word in _WORDS.findall(question)) | _ALWAYS) - _NO_ECHO


def without_echo(text: str, question: str) -> list[str]:
    """Without the question's words at both ends, and up to the first of them behind the start.

    `It's the orange line` of a line is orange, and `Rovers won 2-1` of who won is Rovers.
    """
    asked = asked_words(question)
    words = text.split()
    is_asked = [word.strip(".,;:!?\"'()").casefold() in asked for word in words]
    start, end = 0, len(words)
    while start < end and is_asked[start]:
        start += 1
    while end > start and is_asked[end - 1]:
        end -= 1
    head = next((place for place in range(start, len(words)) if is_asked[place]), len(words))
    found = [" ".join(words[start:end])]
    until = next((place for place in range(head, len(words)) if words[place][-1] in ",.;("), len(words) - 1) + 1
    is_known = all(is_asked[place] or words[place][0].isdigit() for place in range(head, until))
    if start == 0 and 0 < head <= 3 and is_known:
        found.append(" ".join(words[:head]))
    return found


def without_question(text: str, question: str) -> str:
    """Without a repetition of the whole question."""
    words = question.split()
    if not 3 <= len(words) <= 1000 or words[0] not in text:
        return text
    return re.sub(r"\s+".join(map(re.escape, words)), "\n", text, flags=re.IGNORECASE)
