"""What a response's statements come to."""

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.options import LABEL
from rilctl.engines.judging.rules.read.answering import CHOOSES
from rilctl.engines.judging.rules.read.clauses import stems
from rilctl.engines.judging.rules.read.phrases import (
    CONCLUSION,
    CORRECTION,
    HEDGE,
    LEAD_IN,
    NEGATION,
    NOW,
    RESULT_LABEL,
)
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading
from rilctl.engines.judging.rules.read.statements import label_of

_FOLLOWS = re.compile(
    rf"{CONCLUSION.pattern}|^\s?:\s"
    r"|^\W*(?:this|that|it|which)\s(?:corresponds to|matches|means|leads to|points to|leaves)\s"
    r"(?:\w+\s){0,2}(?:option|choice|answer)\b",
    re.IGNORECASE,
)
"""A statement that concludes: behind an arrow as well."""
_MAX_OPTION = 8
"""Words behind an option's letter that may be its text."""
_MAX_LETTERED = 5
"""Words of a line that gives an option and says nothing of it."""
_REVERSES = re.compile(
    r"^\W*(?:(?:but|however|yet|well|or|wait),?\s)*(?:no|nope|not)\b(?: (?:so|quite|really))?\W*$"
    r"|\b(?:opposite|reverse|other way (?:a)?round|vice versa|wrong\w*|incorrect\w*|false|mistake\w*|nonsense)\b",
    re.IGNORECASE,
)
"""Says behind an answer that it isn't so."""
_DENIES = re.compile(f"{NEGATION.pattern}|{CORRECTION.pattern}|{HEDGE.pattern}", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What a statement says.

    Args:
        place: its number.
        value: of the kind that was asked for, or `SEVERAL`.
        is_whole: whether it says nothing else.
        is_bare: whether it says so as an answer.
        is_told: whether it answers in the question's words.
    """

    place: int
    value: Any
    is_whole: bool
    is_bare: bool
    is_told: bool = False


def settle(said: list[Said], statements: list[str], bold: list[str], kind: Kind, asked: frozenset[str]) -> Reading:
    """The value that all statements of an answer share, or that the last one concludes with.

    Args:
        said: what the statements say, in their order.
        statements: all of them.
        bold: what the response sets in bold type.
        kind: of the answer that the question has.
        asked: words of the question.
    """
    if any(each.is_told for each in said):
        return _told(said, statements, kind)
    said = _without_enumeration(_without_descriptions(said, kind, statements), kind, statements)
    readable = [each for each in said if each.value is not SEVERAL]
    stated = [each for each in readable if each.is_bare and not _is_part(each, readable[-1], statements, kind, asked)]
    if stated:
        answer, last = stated[-1], readable[-1]
        stated = [each for each in stated if each is answer or not _is_step(each, answer, statements, kind, asked)]
        if any(not kind.same(each.value, answer.value) for each in stated):
            return Reading(None, statements[answer.place], SEVERAL_CANDIDATES)
        speaks_again = last.place > answer.place and (
            last.is_whole
            or kind.is_closed
            or NOW.search(statements[last.place])
            or _concludes(statements[last.place], asked)
        )
        if speaks_again and not kind.explains and not kind.same(answer.value, last.value):
            return Reading(None, statements[last.place], SEVERAL_CANDIDATES)
        doubtful = said[-1] if said[-1].value is SEVERAL and said[-1].place > answer.place else None
        if doubtful and not kind.explains and NOW.search(statements[doubtful.place]):
            return Reading(None, statements[doubtful.place], SEVERAL_CANDIDATES)
        return Reading(answer.value, statements[answer.place])
    emphasised = [value for span in bold if (value := kind.whole(span)) is not None]
    is_one = len(statements) == 1 or (len(emphasised) == 1 and bold[-1] in statements[-1] and not kind.is_closed)
    if emphasised and is_one and all(kind.same(emphasised[0], value) for value in emphasised):
        return Reading(emphasised[0], bold[-1])
    if not readable:
        return Reading(None, statements[-1] if statements else None, SEVERAL_CANDIDATES if said else NOTHING)
    last = readable[-1]
    if said[-1].place > last.place:
        return Reading(None, statements[-1], SEVERAL_CANDIDATES)
    if all(kind.same(last.value, each.value) for each in readable) or kind.explains:
        return Reading(last.value, statements[last.place])
    final = statements[last.place]
    is_last = not any(map(_DENIES.search, statements[last.place + 1 :]))
    agreeing = list(takewhile(lambda each: kind.same(last.value, each.value), reversed(readable)))
    concludes = any(_concludes(statements[each.place], asked) for each in agreeing)
    if is_last and (concludes or (not kind.is_closed and _says_what_was_asked(final, asked))):
        return Reading(last.value, statements[last.place])
    return Reading(None, statements[last.place], SEVERAL_CANDIDATES)


def _told(said: list[Said], statements: list[str], kind: Kind) -> Reading:
    """What is said in the question's words, unless something else is, or is taken behind it, or stands before it."""
    told = [each for each in said if each.is_told]
    answer = told[-1]
    before = [each for each in said if each.place < answer.place and not each.is_told]
    before = [each for each in before if len(statements[each.place].split()) <= _MAX_LETTERED]
    behind = [each for each in said if each.place > answer.place]
    for each in (*told, *_without_enumeration(before, kind, statements), *behind):
        is_same = each.value is not SEVERAL and kind.same(each.value, answer.value)
        if not is_same and (each.is_told or each.is_whole or each.is_bare):
            return Reading(None, statements[each.place], SEVERAL_CANDIDATES)
    told_at = {each.place for each in told}
    for place, statement in enumerate(statements):
        is_before = place < answer.place
        if place in told_at:
            continue
        is_reversed = not is_before and _REVERSES.search(statement)
        if is_reversed or kind.chooses_another(statement, answer.value, is_before=is_before):
            return Reading(None, statement, SEVERAL_CANDIDATES)
    return Reading(answer.value, statements[answer.place])


def _without_descriptions(said: list[Said], kind: Kind, statements: list[str]) -> list[Said]:
    """Without the lines that say of several options what they are like."""
    described = [each for each in said if kind.is_closed and _is_described(statements[each.place])]
    letters = {str(each.value) for each in described if each.value is not SEVERAL}
    return [each for each in said if each not in described] if len(letters) > 1 else said


def _is_described(statement: str) -> bool:
    """Whether a line says what an option is like: `(A) The first image has a dog in it that looks at a ball`."""
    label = LABEL.match(statement)
    if label is None or CHOOSES.search(statement):
        return False
    return len(statement[label.end() :].split()) > _MAX_OPTION


def _is_step(said: Said, answer: Said, statements: list[str], kind: Kind, asked: frozenset[str]) -> bool:
    """Whether a statement says of something else what the last one says of what was asked: `The sum is 68`."""
    if kind.is_closed or answer.place != max(answer.place, said.place):
        return False
    subjects = [stems(_lead_of(statements[each.place])) for each in (said, answer)]
    wanted = stems(" ".join(asked))
    return bool(subjects[0] and subjects[1] & wanted) and not subjects[0] & wanted


def _lead_of(statement: str) -> str:
    lead = LEAD_IN.match(statement)
    return (statement[: lead.end()] if lead else "") + label_of(statement)


def _concludes(statement: str, asked: frozenset[str]) -> bool:
    return "=" in statement or _FOLLOWS.search(statement) is not None or _names_result(label_of(statement), asked)


def _says_what_was_asked(statement: str, asked: frozenset[str]) -> bool:
    lead = LEAD_IN.match(statement)
    return any(_is_asked(part, asked) for part in (statement[: lead.end()] if lead else "", statement))


def _is_asked(text: str, asked: frozenset[str]) -> bool:
    """Whether a text says nothing but what was asked for, and a number."""
    words = [word for each in text.casefold().split() if len(word := each.strip(".,;:!?\"'()")) >= _MIN_LETTERS]
    words = [word for word in words if word.isalpha()]
    return (len(words) > 1 or words[0].endswith("est")) and all(word in asked for word in words) if words else False


_MIN_LETTERS = 4
"""Of a word that names what was asked for."""


def _is_part(said: Said, last: Said, statements: list[str], kind: Kind, asked: frozenset[str]) -> bool:
    """Whether a statement gives one of several: `Left: 5`; the last one of them may be what they come to."""
    label = label_of(statements[said.place])
    return bool(label) and not kind.is_closed and not (said is last and _names_result(label, asked))


def _follows(statement: str) -> bool:
    return _FOLLOWS.search(statement) is not None and not label_of(statement)


def _names_result(label: str, asked: frozenset[str]) -> bool:
    if not label:
        return False
    return RESULT_LABEL.fullmatch(label) is not None or all(word.casefold() in asked for word in label.split())


def _without_enumeration(said: list[Said], kind: Kind, statements: list[str]) -> list[Said]:
    """Without three statements or more in a row that each say something else, but for a last one that concludes."""
    if not kind.is_closed:
        return said
    kept: list[Said] = []
    run: list[Said] = []
    for each in [*said, None]:
        if each is not None and each.value is not SEVERAL and all(not kind.same(each.value, o.value) for o in run):
            run.append(each)
            continue
        kept += run if len(run) < 3 else [o for o in run[-1:] if _follows(statements[o.place])]
        run = []
        if each is not None:
            (kept if each.value is SEVERAL else run).append(each)
    return kept
