"""The one final answer of a response, as a value of a kind, or why there is none.

Nothing here knows the ground truth, only what kind of answer the question has: a response is read once, and can't be
right under two truths. What is marked as the answer counts before what is merely said; several that differ are none,
unless the earlier ones are taken back.
"""

import re
from math import factorial
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.accounted import is_accounted, leads, takes_back
from rilctl.engines.judging.rules.read.asides import without_asides
from rilctl.engines.judging.rules.read.chains import last_member
from rilctl.engines.judging.rules.read.concessions import UNSAYS, without_concession, without_what_is_excluded
from rilctl.engines.judging.rules.read.cut_off import is_cut_off
from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.left_open import is_left_open
from rilctl.engines.judging.rules.read.marked import own_marks, read_marked
from rilctl.engines.judging.rules.read.marks import Level, find_marks
from rilctl.engines.judging.rules.read.phrases import (
    ALTERNATIVE,
    CHECK,
    CLOSING,
    CONCLUSION,
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
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading, reasons_otherwise
from rilctl.engines.judging.rules.read.run_on import before_repetition, own_part
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
from rilctl.engines.judging.rules.read.wrapped import unwrapped

MAX_CHARS = 10_000
"""Only the end of a response is read: final answers come at the end, and hostile input costs little."""
_MAX_STATEMENTS = 60
_NO = re.compile(r"^\W*(?:no|nope|not quite|not really)[,.;:]?\s+(?=\S)", re.IGNORECASE)
_BOLD = "**"
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
_FACTORIAL = re.compile(r"(?:(?<=\\boxed\{)|(?<=\$))\s?([0-9]{1,2})\s?!\s?(?=[}$])")
"""No exclamation, as in prose."""
_LATEX_SPACE = re.compile(r"\\[:;]")
"""No punctuation."""
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_CORRECTED = re.compile(
    r"(?:[^.:;!?]{1,100},\s)?(?:i take (?:that|this|it) back|scratch that|correction|corrected|edit|update):\s",
    re.IGNORECASE,
)
"""Before what stands in the place of an answer."""
_HEAD_END = re.compile(r"(?:[,:]|\s-)\s")
_BEHIND_COMMA = re.compile(r"[,;]\s")
_TRUTH = re.compile(r"\b(?:true|false|wrong|incorrect)\W*$", re.IGNORECASE)


def read_final(response: str, question: str, kind: Kind) -> Reading:
    """Read a response as it was generated.

    Args:
        response: any text; thinking up to `</think>` is skipped, and thinking that never ends has no answer.
        question: tidy; a repetition of it doesn't count as an answer.
        kind: of the answer that the question has.
    """
    text = unwrapped(tidy(without_thinking(response).strip()[-MAX_CHARS:]).strip(), question)
    text = own_part(text, question)
    if answered := before_repetition(text):
        found = _closed(answered, question, kind)
        if found.value is not None:
            return found
    return _closed(text, question, kind)


def _closed(text: str, question: str, kind: Kind) -> Reading:
    """What a text says in the end, if it leaves nothing open."""
    found = _read(text, question, kind)
    if found.value is None or not is_left_open(without_markup(text), found.text, found.value, kind, question):
        return found
    return Reading(None, found.text, SEVERAL_CANDIDATES)


def _read(text: str, question: str, kind: Kind) -> Reading:
    if not text:
        return Reading(None, None, "empty response")
    if (cut := CUT_OFF.search(text)) and not _ends_a_line(text[: cut.start()].split()[-1:], cut[0], question):
        return Reading(None, None, NOTHING)
    text = _STRUCK.sub(" ", text) if "~~" in text else text
    text = _LATEX_SPACE.sub(" ", text)
    text = _FACTORIAL.sub(lambda match: str(factorial(int(match[1]))), text) if "!" in text else text
    bold = _bold_spans(text) if _BOLD in text else []
    text = without_tables(without_markup(text)).strip()
    marks = own_marks(find_marks(text), text, question)
    if any(mark.level is Level.SET_APART for mark in marks):
        return read_marked(marks, text, kind, question)
    body = without_asides(without_question(text, question).strip(), question, kind)
    if not body:
        return Reading(None, text, NOTHING)
    if body != text:
        marks = own_marks(find_marks(body), body, question)
    if marks:
        return read_marked(marks, body, kind, question)
    return _from_statements(body, question, bold, kind)


def _from_statements(body: str, question: str, bold: list[str], kind: Kind) -> Reading:
    body = _without_courtesies(body) if "\n\n" in body else body
    body = without_enumerators(body, any_number=kind.explains and not kind.many_lines)
    body = last_member(body) if "\\" in body and "\n\n" not in body else body
    whole = kind.whole(body)
    if whole is not None and kind.is_bare(body):
        return Reading(None, body, NOTHING) if is_cut_off(body, split_statements(body), None) else Reading(whole, body)
    no_value = body if whole is None else ""
    explained = EXPLANATION.search(body)
    if explained and body[: explained.start()].strip():
        body = body[: explained.start()].strip()
    parts = _lines_and_statements(body, kind) if kind.is_closed and ";" in body else split_statements(body)
    found = [without_list_mark(each) for each in parts[-_MAX_STATEMENTS:]]
    found = [last_member(each) if "=" in each or "\\" in each else each for each in found]
    found = without_what_is_excluded(found, question)
    found = found if kind.keeps_denials else [without_concession(without_contrast(each)) for each in found]
    statements = [each for each in found if not (CLOSING.match(each) or CHECK.match(each) or _is_aside(each))] or found
    said: list[Said] = []
    equated: set[int] = set()
    for place, statement in enumerate(statements):
        if place and CORRECTION.match(statement.lstrip("( ")):
            said.clear()
        corrected = _CORRECTED.match(statement) if place and ": " in statement and not kind.explains else None
        if corrected and kind.whole(statement[corrected.end() :]) is not None:
            said.clear()
            statement = statement[corrected.end() :]
        if place and ALTERNATIVE.match(statement):
            return Reading(None, statement, SEVERAL_CANDIDATES)
        if place and not kind.keeps_denials and statements[place - 1].endswith("?"):
            statement = _NO.sub("", statement)
        if place and (TAKEN_BACK.search(statement) or (said and _takes_back(statement, kind))):
            said.clear()
            continue
        value, is_whole, is_bare = _statement_value(statement, kind, no_value, question)
        if value is None:
            continue
        if value is not SEVERAL and kind.equates(statement):
            said = [each for each in said if each.place in equated]
            equated.add(place)
        said.append(Said(place, value, is_whole, is_bare or place in equated))
    settled = settle(said, statements, bold, kind, asked_words(question))
    if settled.value is not None and is_cut_off(body, statements, settled.text):
        return Reading(None, statements[-1], NOTHING)
    return settled


def _lines_and_statements(body: str, kind: Kind) -> list[str]:
    """Statements, where a line that is an option as a whole is one."""
    lines = [line.strip() for line in body.split("\n")]
    parts = ([line] if ";" in line and kind.whole(line) is not None else split_statements(line) for line in lines)
    return [part for each in parts for part in each]


def _statement_value(statement: str, kind: Kind, no_value: str, question: str) -> tuple[Any, bool, bool]:
    """What a statement says, whether it says nothing else, and whether it does so as an answer.

    Args:
        statement: a sentence or line.
        kind: of the answer that the question has.
        no_value: a text that is known to be none.
        question: what was asked.
    """
    if _DEFINES.match(statement) or _BLANK.search(statement):
        return None, False, False
    unsaid = UNSAYS.search(statement) if not kind.keeps_denials else None
    if unsaid and unsaid.start() and not UNSAYS.search(question):
        return SEVERAL, False, False
    if statement.rstrip("\"')* ").endswith("?") and not (kind.is_closed and kind.whole(statement) is not None):
        return None, False, False
    if (":" in statement or statement[:1] in "Oo") and CONDITION.match(statement):
        return SEVERAL, False, False
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
    if (
        not kind.is_closed
        and (", " in statement or "; " in statement)
        and any(map(takes_back, _BEHIND_COMMA.split(statement)[1:]))
    ):
        return SEVERAL, False, False
    value = kind.within(statement)
    return value if value is None or _is_accounted(statement, kind, question) else SEVERAL, False, False


def _takes_back(statement: str, kind: Kind) -> bool:
    return takes_back(statement) and not (kind.is_closed and kind.whole(statement) is not None)


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


def _without_courtesies(body: str) -> str:
    """Without a paragraph that opens or closes a letter."""
    paragraphs = body.split("\n\n")
    if OPENING.match(paragraphs[0]) and len(paragraphs) > 1:
        paragraphs = paragraphs[1:]
    if CLOSING.match(paragraphs[-1]) and len(paragraphs) > 1:
        paragraphs = paragraphs[:-1]
    return "\n\n".join(paragraphs)


def _ends_a_line(before: list[str], end: str, question: str) -> bool:
    """Whether a line of the question, such as an option, ends in these words as well: `larger than`."""
    tail = f"{''.join(before)}{end}".casefold()
    return bool(before) and any(line.rstrip().casefold().endswith(tail) for line in question.split("\n"))


def _is_aside(statement: str) -> bool:
    return len(statement) > 12 and statement[0] == "(" and statement[-1] == ")" and "(" not in statement[1:]


def _bold_spans(text: str) -> list[str]:
    pieces = text.split(_BOLD)
    return [piece.strip() for piece in pieces[1::2] if piece.strip()] if len(pieces) % 2 else []
