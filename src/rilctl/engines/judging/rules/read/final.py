"""The one final answer of a response, as a value of a kind, or why there is none.

Nothing here knows the ground truth, only what kind of answer the question has: a response is read once, and can't be
right under two truths. What is marked as the answer counts before what is merely said; several that differ are none,
unless the earlier ones are taken back.
"""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.asides import without_asides
from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.marked import read_marked
from rilctl.engines.judging.rules.read.marks import Level, find_marks
from rilctl.engines.judging.rules.read.phrases import (
    ALTERNATIVE,
    CHECK,
    CLOSING,
    CONDITION,
    CORRECTION,
    CUT_OFF,
    DISCLAIMER,
    EXPLANATION,
    GOES_ON_CALCULATING,
    GOES_ON_HEDGED,
    OPENING,
    SPOKEN_SUM,
    TAKEN_BACK,
)
from rilctl.engines.judging.rules.read.plain import tidy, without_markup, without_tables
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading
from rilctl.engines.judging.rules.read.settle import Said, settle
from rilctl.engines.judging.rules.read.statements import (
    bare_forms,
    first_clause,
    split_statements,
    without_contrast,
    without_enumerators,
    without_list_mark,
    without_question,
)
from rilctl.engines.judging.rules.read.thinking import without_thinking

MAX_CHARS = 10_000
"""Only the end of a response is read: final answers come at the end, and hostile input costs little."""
_MAX_STATEMENTS = 60
_NO = re.compile(r"^\W*(?:no|nope|not quite|not really)[,.;:]?\s+(?=\S)", re.IGNORECASE)
_BOLD = "**"


def read_final(response: str, question: str, kind: Kind) -> Reading:
    """Read a response as it was generated.

    Args:
        response: any text; thinking up to `</think>` is skipped, and thinking that never ends has no answer.
        question: tidy; a repetition of it doesn't count as an answer.
        kind: of the answer that the question has.
    """
    text = tidy(without_thinking(response).strip()[-MAX_CHARS:]).strip()
    if not text:
        return Reading(None, None, "empty response")
    if CUT_OFF.search(text):
        return Reading(None, None, NOTHING)
    bold = _bold_spans(text) if _BOLD in text else []
    text = without_tables(without_markup(text)).strip()
    marks = find_marks(text)
    if any(mark.level is Level.SET_APART for mark in marks):
        return read_marked(marks, text, kind)
    body = without_asides(without_question(text, question).strip(), question, kind)
    if not body:
        return Reading(None, text, NOTHING)
    if body != text:
        marks = find_marks(body)
    if marks:
        return read_marked(marks, body, kind)
    return _from_statements(body, question, bold, kind)


def _from_statements(body: str, question: str, bold: list[str], kind: Kind) -> Reading:
    body = _without_courtesies(body) if "\n\n" in body else body
    body = without_enumerators(body, any_number=kind.explains and not kind.many_lines)
    whole = kind.whole(body)
    if whole is not None and kind.is_bare(body):
        return Reading(whole, body)
    no_value = body if whole is None else ""
    explained = EXPLANATION.search(body)
    if explained and body[: explained.start()].strip():
        body = body[: explained.start()].strip()
    found = [without_list_mark(each) for each in split_statements(body)[-_MAX_STATEMENTS:]]
    found = found if kind.keeps_denials else [without_contrast(each) for each in found]
    statements = [each for each in found if not (CLOSING.match(each) or CHECK.match(each) or _is_aside(each))] or found
    said: list[Said] = []
    for place, statement in enumerate(statements):
        if place and CORRECTION.match(statement.lstrip("( ")):
            said.clear()
        if place and ALTERNATIVE.match(statement):
            return Reading(None, statement, SEVERAL_CANDIDATES)
        if place and not kind.keeps_denials and statements[place - 1].endswith("?"):
            statement = _NO.sub("", statement)
        if place and TAKEN_BACK.search(statement):
            said.clear()
            continue
        value, is_whole, is_bare = _statement_value(statement, kind, no_value)
        if value is not None:
            said.append(Said(place, value, is_whole, is_bare))
    return settle(said, statements, bold, kind, asked_words(question))


def _statement_value(statement: str, kind: Kind, no_value: str) -> tuple[Any, bool, bool]:
    """What a statement says, whether it says nothing else, and whether it does so as an answer.

    Args:
        statement: a sentence or line.
        kind: of the answer that the question has.
        no_value: a text that is known to be none.
    """
    if statement.rstrip("\"')* ").endswith("?") and not (kind.is_closed and kind.whole(statement) is not None):
        return None, False, False
    if (":" in statement or statement[:1] in "Oo") and CONDITION.match(statement):
        return SEVERAL, False, False
    disclaimed = DISCLAIMER.match(statement)
    if disclaimed:
        statement = statement[disclaimed.end() :]
    for form in bare_forms(statement):
        value = kind.whole(form) if form != no_value else None
        if value is not None:
            if kind.is_closed and _speaks_against(statement.removesuffix(form), value, kind):
                return SEVERAL, False, False
            is_bare = kind.is_bare(form) and kind.is_bare_in(statement, form)
            return value, True, is_bare or kind.is_told(statement)
    value = kind.within(statement) if kind.is_closed else None
    if value is not None:
        return value, False, False
    asked = kind.asked_part(statement)
    if asked and (value := kind.within(asked)) not in (None, SEVERAL):
        return value, False, False
    clause = first_clause(statement)
    for form in bare_forms(clause) if clause and clause != statement else ():
        value = kind.whole(form)
        if value is not None and kind.is_bare(form):
            rest = statement[statement.find(clause) + len(clause) :]
            if not kind.is_closed and (SPOKEN_SUM.search(rest) or GOES_ON_CALCULATING.search(rest)):
                concluded = kind.within(rest)
                if concluded is not None:
                    return concluded, False, False
            if not (kind.explains or kind.is_closed) and rest.lstrip().startswith(":"):
                other = kind.whole(rest.strip(" :"))
                if other is not None and other is not SEVERAL and not kind.same(value, other):
                    return SEVERAL, False, False
            if GOES_ON_HEDGED.match(rest) or (rest.startswith(", but ") and _offers_another(rest, value, kind)):
                return SEVERAL, False, False
            return value, False, kind.is_bare_in(statement, form)
    return kind.within(statement), False, False


def _speaks_against(lead: str, value: Any, kind: Kind) -> bool:
    """Whether what leads into an answer names another one: `So it is a dog: option B`."""
    other = kind.within(lead) if lead.strip() else None
    return other is not None and other is not SEVERAL and not kind.same(value, other)


def _offers_another(rest: str, value: Any, kind: Kind) -> bool:
    other = None if kind.explains else kind.within(rest)
    return kind.is_closed or (other is not None and (other is SEVERAL or not kind.same(value, other)))


def _without_courtesies(body: str) -> str:
    """Without a paragraph that opens or closes a letter."""
    paragraphs = body.split("\n\n")
    if OPENING.match(paragraphs[0]) and len(paragraphs) > 1:
        paragraphs = paragraphs[1:]
    if CLOSING.match(paragraphs[-1]) and len(paragraphs) > 1:
        paragraphs = paragraphs[:-1]
    return "\n\n".join(paragraphs)


def _is_aside(statement: str) -> bool:
    return len(statement) > 12 and statement[0] == "(" and statement[-1] == ")" and "(" not in statement[1:]


def _bold_spans(text: str) -> list[str]:
    pieces = text.split(_BOLD)
    return [piece.strip() for piece in pieces[1::2] if piece.strip()] if len(pieces) % 2 else []
