"""The one final answer of a response, as a value of a kind, or why there is none.

Nothing here knows the ground truth, only what kind of answer the question has: a response is read once, and can't be
right under two truths. What is marked as the answer counts before what is merely said; several that differ are none,
unless the earlier ones are taken back.
"""

import re
from math import factorial

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.accounted import takes_back
from rilctl.engines.judging.rules.read.answering import announces
from rilctl.engines.judging.rules.read.asides import without_asides
from rilctl.engines.judging.rules.read.chains import last_member
from rilctl.engines.judging.rules.read.concessions import without_concession, without_what_is_excluded
from rilctl.engines.judging.rules.read.cut_off import is_cut_off
from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.left_open import is_left_open
from rilctl.engines.judging.rules.read.marked import own_marks, read_marked
from rilctl.engines.judging.rules.read.marks import Level, find_marks
from rilctl.engines.judging.rules.read.phrases import (
    ALTERNATIVE,
    CHECK,
    CLOSING,
    CORRECTION,
    CUT_OFF,
    EXPLANATION,
    OPENING,
    TAKEN_BACK,
)
from rilctl.engines.judging.rules.read.plain import tidy, without_markup, without_tables
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading
from rilctl.engines.judging.rules.read.run_on import before_repetition, own_part
from rilctl.engines.judging.rules.read.said import is_unreal_statement, statement_value
from rilctl.engines.judging.rules.read.settle import Said, settle
from rilctl.engines.judging.rules.read.statements import (
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
_FACTORIAL = re.compile(r"(?:(?<=\\boxed\{)|(?<=\$))\s?([0-9]{1,2})\s?!\s?(?=[}$])")
"""No exclamation, as in prose."""
_LATEX_SPACE = re.compile(r"\\[:;]")
"""No punctuation."""
_REASONS = re.compile(
    r"\W*(?:this|that)(?: \w+)? (?:is|was|can be|could be) (?:evident|clear|because|due|based|determined|inferred|seen"
    r"|supported|indicated|shown|made|concluded|suggested|influenced)"
    r" (?:from|by|on|in|to|because|the|both|of|it|they)\b"
    r"(?!.*\b(?:wrong|false|error|mistaken?|incorrect)\b)",
    re.IGNORECASE,
)
"""Says why, of what was said before."""
_TURNS = re.compile(r"\W*(?:but|however|now|next|then|second(?:ly)?)\b", re.IGNORECASE)
_CONTRASTS = re.compile(r"(?:^|, )(?:on the other hand|in contrast|by contrast),\s", re.IGNORECASE)
"""Describes what was not chosen, as a rule."""
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_CORRECTED = re.compile(
    r"(?:[^.:;!?]{1,100},\s)?(?:i take (?:that|this|it) back|scratch that|correction|corrected|edit|update):\s",
    re.IGNORECASE,
)
"""Before what stands in the place of an answer."""


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
        told = None if is_unreal_statement(statement, kind, question) else kind.told(statement)
        statement = _contrasted(statement, kind)
        if told is None and kind.is_closed and place and announces(statements[place - 1], question):
            told = kind.whole(statement)
        if told is not None:
            said.append(Said(place, told, is_whole=False, is_bare=False, is_told=True))
            continue
        value, is_whole, is_bare = statement_value(statement, kind, no_value, question)
        if value is None:
            continue
        if place and kind.is_closed and not (is_whole or is_bare) and _describes(statement):
            value = SEVERAL
        if value is not SEVERAL and kind.equates(statement):
            said = [each for each in said if each.place in equated]
            equated.add(place)
        said.append(Said(place, value, is_whole, is_bare or place in equated))
    settled = settle(said, statements, bold, kind, asked_words(question))
    is_told = any(each.is_told for each in said) and not _turns(statements, settled.text)
    if settled.value is not None and is_cut_off(body, statements, settled.text, is_told=is_told):
        return Reading(None, statements[-1], NOTHING)
    return settled


def _lines_and_statements(body: str, kind: Kind) -> list[str]:
    """Statements, where a line that is an option as a whole is one."""
    lines = [line.strip() for line in body.split("\n")]
    parts = ([line] if ";" in line and kind.whole(line) is not None else split_statements(line) for line in lines)
    return [part for each in parts for part in each]


def _turns(statements: list[str], answer: str | None) -> bool:
    """Whether a response goes on to weigh something else behind its answer."""
    behind = statements[statements.index(answer) + 1 :] if answer in statements else []
    return any(map(_TURNS.match, behind))


def _contrasted(statement: str, kind: Kind) -> str:
    """An option that stands alone behind `On the other hand`, which is an answer then."""
    alone = _CONTRASTS.sub("", statement) if kind.is_closed and _CONTRASTS.match(statement) else ""
    return alone if alone and kind.whole(alone) is not None else statement


def _describes(statement: str) -> bool:
    """Whether a statement gives a reason, or says what was not chosen."""
    return _REASONS.match(statement) is not None or _CONTRASTS.search(statement) is not None


def _takes_back(statement: str, kind: Kind) -> bool:
    return (
        takes_back(statement)
        and not _REASONS.match(statement)
        and not (kind.is_closed and kind.whole(statement) is not None)
    )


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
