"""What one statement of a response says."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.accounted import is_accounted, leads, takes_back
from rilctl.engines.judging.rules.read.concessions import UNSAYS
from rilctl.engines.judging.rules.read.marked import is_of_someone
from rilctl.engines.judging.rules.read.phrases import (
    CONCLUSION,
    CONDITION,
    DISCLAIMER,
    GOES_ON_CALCULATING,
    GOES_ON_HEDGED,
    SPOKEN_SUM,
)
from rilctl.engines.judging.rules.read.reading import reasons_otherwise
from rilctl.engines.judging.rules.read.statements import bare_forms, first_clause

_REASON = re.compile(r",?\s(?:because|since|given that)\s.*$|,\sas\s.*$", re.IGNORECASE | re.DOTALL)
_ADVERBIAL = re.compile(
    r"^\W*(?:judging|looking|based|given|considering|counting|using|applying|comparing|taking|from|by|with)\b[^,]{1,80},\s",
    re.IGNORECASE,
)
_NOT_THE_ANSWER = re.compile(r"\W*not (?:the|my|an) (?:\w+ )?(?:answer|option|choice|result|solution)\b", re.IGNORECASE)
_FORGET = re.compile(
    r"^\W*(?:please )?(?:ignore|forget|disregard|never mind)\s[^:;0-9]{0,60}\b(?:before|above|earlier|so far):\s",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"\W*(?:let|set|put|substitut\w+|define|denote|with) (?:us )?(?:\$|\\\()?[a-zA-Z]\w{0,2}\s?(?:=|\bbe\b)"
    r"(?:(?! (?:gives?|yields?|we (?:get|obtain|find))\b)[^,;:]|:(?=[0-9]))*$",
    re.IGNORECASE,
)
"""Names something that is calculated with."""
_BLANK = re.compile(r"\s(?:_+|[(\[]\s?_+\s?[)\]])(?=[\s.,?])")
"""Nobody filled it in."""
_RATIO = re.compile(r"\W*[0-9.]+\s?:\s?[0-9.]+\W*")
"""Behind it stands what it means, and nothing that follows."""
_HEAD_END = re.compile(r"(?:[,:]|\s-)\s")
_BEHIND_COMMA = re.compile(r"[,;]\s")
_TRUTH = re.compile(r"\b(?:true|false|wrong|incorrect)\W*$", re.IGNORECASE)


def statement_value(statement: str, kind: Kind, no_value: str, question: str) -> tuple[Any, bool, bool]:
    """What a statement says, whether it says nothing else, and whether it does so as an answer.

    Args:
        statement: a sentence or line.
        kind: of the answer that the question has.
        no_value: a text that is known to be none.
        question: what was asked.
    """
    if _DEFINES.match(statement) or _BLANK.search(statement):
        return None, False, False
    if is_unreal_statement(statement, kind, question):
        return SEVERAL, False, False
    if statement.rstrip("\"')* ").endswith("?") and not (kind.is_closed and kind.whole(statement) is not None):
        return None, False, False
    statement = _FORGET.sub("", statement)
    disclaimed = DISCLAIMER.match(statement)
    if disclaimed:
        statement = statement[disclaimed.end() :]
    for form in bare_forms(statement):
        value = kind.whole(form) if form != no_value else None
        if value is not None:
            if not _is_led_well(statement, form, kind, question):
                return SEVERAL, False, False
            if kind.is_closed and _speaks_against(statement.removesuffix(form), value, kind):
                return SEVERAL, False, False
            is_bare = kind.is_bare(form) and kind.is_bare_in(statement, form)
            return value, True, is_bare or kind.is_told(statement)
    value = kind.within(statement) if kind.is_closed else None
    if value is not None:
        is_answer = kind.is_led(statement) and not kind.keeps_denials
        return value if _is_accounted(statement, kind, question) else SEVERAL, False, is_answer
    asked = kind.asked_part(statement)
    if asked and (value := kind.within(asked)) not in (None, SEVERAL):
        return value if _is_accounted(asked, kind, question) else SEVERAL, False, False
    in_clause = _first_clause_value(statement, kind, question)
    if in_clause is not None:
        return in_clause
    if (
        not kind.is_closed
        and (", " in statement or "; " in statement)
        and any(map(takes_back, _BEHIND_COMMA.split(statement)[1:]))
    ):
        return SEVERAL, False, False
    value = kind.within(statement)
    return value if value is None or _is_accounted(statement, kind, question) else SEVERAL, False, False


def is_unreal_statement(statement: str, kind: Kind, question: str) -> bool:
    """Whether a statement speaks of somebody else's answer, unsays its own, or says what would be so."""
    if is_of_someone(statement, question) or (
        (":" in statement or statement[:1] in "Oo") and CONDITION.match(statement) is not None
    ):
        return True
    unsaid = UNSAYS.search(statement) if not kind.keeps_denials else None
    return bool(unsaid and unsaid.start() and not UNSAYS.search(question))


def _first_clause_value(statement: str, kind: Kind, question: str) -> tuple[Any, bool, bool] | None:
    """The same of a statement whose first clause is an answer; None of any other."""
    clause = first_clause(statement)
    for form in bare_forms(clause) if clause and clause != statement else ():
        value = kind.whole(form)
        if value is not None and kind.is_bare(form):
            rest = statement[statement.find(clause) + len(clause) :]
            if not kind.is_closed and (SPOKEN_SUM.search(rest) or GOES_ON_CALCULATING.search(rest)):
                concluded = None if _RATIO.fullmatch(form) else kind.within(rest)
                if concluded is not None:
                    return concluded, False, False
            if not (kind.explains or kind.is_closed) and (rest.lstrip()[:1] in (":", ";") or clause[-1] == ","):
                other = kind.whole(rest.strip(" :;"))
                if other is not None and other is not SEVERAL and not kind.same(value, other):
                    return SEVERAL, False, False
            if GOES_ON_HEDGED.match(rest) or (rest.startswith(", but ") and _offers_another(rest, value, kind)):
                return SEVERAL, False, False
            if reasons_otherwise(value, rest, kind) or not _is_led_well(clause, form, kind, question):
                return SEVERAL, False, False
            said_of = _REASON.sub("", rest)
            if not is_accounted(said_of, question, free=True) or takes_back(rest.lstrip(" ,;.")):
                return SEVERAL, False, False
            return value, False, kind.is_bare_in(statement, form)
    return None


def _is_accounted(statement: str, kind: Kind, question: str) -> bool:
    """Whether nothing in the part of a statement that concludes may turn its answer round."""
    if _NOT_THE_ANSWER.match(statement):
        return False
    if kind.is_closed and kind.is_led(statement):
        return True
    if is_accounted(statement, question, free="=" in statement and ": " not in statement):
        return True
    ends = [match.end() for match in CONCLUSION.finditer(statement)]
    statement = _REASON.sub("", statement)
    ends = [end for end in ends if end < len(statement)]
    concluded = (statement[ends[-1] :] if ends else "") or statement
    led = _ADVERBIAL.match(concluded)
    if led and is_accounted(led[0], question, free=True):
        concluded = concluded[led.end() :]
    if "=" in concluded:
        concluded = concluded.rpartition(": ")[2]
    if kind.keeps_denials:
        concluded = _TRUTH.sub("", concluded)
    if kind.is_led(concluded) or is_accounted(concluded, question, free="=" in statement):
        return True
    head, rest = [*_HEAD_END.split(concluded, maxsplit=1), ""][:2]
    return (
        bool(rest)
        and is_accounted(rest, question, free=True)
        and any(
            kind.whole(form) is not None and is_accounted(head.removesuffix(form), question)
            for form in bare_forms(head)
        )
    )


def _is_led_well(statement: str, form: str, kind: Kind, question: str) -> bool:
    """Whether what leads into an answer leaves it what it is."""
    lead = statement.removesuffix(form)
    if "=" in lead:
        lead = lead.rpartition(": ")[2]
    if not lead or leads(lead, question, free="=" in statement):
        return True
    return not kind.explains and is_accounted(statement, question) and leads(lead, question, free=True)


def _speaks_against(lead: str, value: Any, kind: Kind) -> bool:
    """Whether what leads into an answer names another one: `So it is a dog: option B`."""
    other = kind.within(lead) if lead.strip() else None
    return other is not None and other is not SEVERAL and not kind.same(value, other)


def _offers_another(rest: str, value: Any, kind: Kind) -> bool:
    other = None if kind.explains else kind.within(rest)
    return kind.is_closed or (other is not None and (other is SEVERAL or not kind.same(value, other)))
