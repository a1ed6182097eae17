"""The final answer of a response that marks it."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.marks import Level, Mark
from rilctl.engines.judging.rules.read.phrases import CORRECTION, EXPLANATION, GOES_ON_HEDGED, TAKEN_BACK
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading, reading
from rilctl.engines.judging.rules.read.statements import (
    bare_forms,
    first_clause,
    split_statements,
    without_contrast,
)

_MAX_CHARS = 10_000
_MAX_STATEMENTS = 60
_REPORTED = re.compile(
    r"[\s,]*according to (?:the|my|your) (?:reference|key|answer key|solution|prompt|hint|user|grader|system"
    r"|instructions?)\b",
    re.IGNORECASE,
)
"""After an answer that others give."""
_BUT = re.compile(r"^(?:but|however|yet|though|although)\b[ ,]*", re.IGNORECASE)


def read_marked(marks: list[Mark], text: str, kind: Kind) -> Reading:
    """The answer that the strongest marks, and all marks behind them, agree on.

    Args:
        marks: of the text, in their order; at least one.
        text: tidy, without markup.
        kind: of the answer that the question has.
    """
    strongest = max(mark.level for mark in marks)
    last = max(place for place, mark in enumerate(marks) if mark.level is strongest)
    counted = [mark for mark in marks[:last] if mark.level is strongest] + marks[last:]
    if kind.joins and strongest is Level.SET_APART and len(counted) > 1:
        joined = "; ".join(mark.content or "" for mark in counted)
        return reading(kind.whole(joined), joined)
    found: Any = None
    shown: str | None = None
    for place, mark in enumerate(counted):
        if place and CORRECTION.search(text[counted[place - 1].end : mark.end]):
            found = shown = None
        value = None if mark.content is None else _marked_value(mark, text, kind)
        is_last = place + 1 == len(counted)
        if value is SEVERAL and not is_last and mark.level is not Level.SET_APART:  # a later one settles it
            continue
        if value is SEVERAL:
            return Reading(None, _shown(mark.content), SEVERAL_CANDIDATES)
        if value is None:
            if mark.level is strongest and (is_last or strongest is Level.SET_APART):
                return Reading(None, _shown(mark.content), NOTHING)
            continue
        if found is not None and not kind.same(found, value):
            return Reading(None, _shown(mark.content), SEVERAL_CANDIDATES)
        found, shown = value, _shown(mark.content)
    return reading(found, shown)


def _marked_value(mark: Mark, text: str, kind: Kind) -> Any:
    content = mark.content or ""
    value = kind.whole(content)
    rest = text[mark.end :] if mark.level is Level.SET_APART else ""
    if value is None:
        line, _, below = content.partition("\n")
        value, rest_of_line = _said_in(line, kind)
        if value is not None:
            rest = f"{rest_of_line}\n{below}\n{rest}"
        elif value is None and kind.many_lines:
            value = kind.whole(content.partition("\n\n")[0])
        elif rest_of_line.strip() and GOES_ON_HEDGED.match(rest_of_line):
            return SEVERAL
    if value is None or value is SEVERAL:
        return value
    return SEVERAL if _contradicted(value, rest, kind) else value


def _said_in(line: str, kind: Kind) -> tuple[Any, str]:
    """The value of a marked line, and what follows it there."""
    if line.rstrip().endswith("?"):
        return None, ""
    line = without_contrast(line)
    for form in bare_forms(line):
        clause = first_clause(form)
        for part in dict.fromkeys((form.strip(), clause)):
            value = kind.whole(part) if part else None
            if value is not None:
                return (None, "") if form[len(part) :].startswith("?") else (value, form[len(part) :])
    for form in bare_forms(line):
        clause = first_clause(form)
        value = kind.within(clause) if clause else None
        if value is not None and value is not SEVERAL:
            return value, form[len(clause) :]
    first = split_statements(line)[0] if line.strip() else ""
    return kind.within(first), line[len(first) :]


def _contradicted(value: Any, rest: str, kind: Kind) -> bool:
    """Whether what follows an answer offers another one, or takes it back."""
    if not rest.strip():
        return False
    if GOES_ON_HEDGED.match(rest):
        return True
    if _REPORTED.match(rest):
        return True
    for piece in map(_unpunctuated, split_statements(rest[:_MAX_CHARS])[:_MAX_STATEMENTS]):
        if EXPLANATION.match(f"\n{piece}"):
            return False
        if TAKEN_BACK.search(piece):
            return True
        corrected = CORRECTION.search(piece)
        if corrected and (other := kind.whole(piece[corrected.end() :].lstrip(" ,:"))) is not None:
            return other is SEVERAL or not kind.same(value, other)
        pieces = dict.fromkeys((*bare_forms(piece), *(part.strip() for part in piece.split(". "))))
        others = (
            []
            if kind.explains
            else [other for part in pieces if part and (other := kind.whole(part)) is not None and kind.is_bare(part)]
        )
        if any(not kind.same(value, other) for other in others):
            return True
    return False


def _unpunctuated(piece: str) -> str:
    return _BUT.sub("", piece.lstrip(" ,;:.)"))


def _shown(content: str | None) -> str | None:
    return content.split("\n", 1)[0] if content else None
