"""The final answer of a response that marks it."""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.accounted import is_accounted, is_unreal, leads, takes_back
from rilctl.engines.judging.rules.read.clauses import stems, without_asked_condition
from rilctl.engines.judging.rules.read.concessions import SPEAKS_OF_ANSWERS, UNSAYS
from rilctl.engines.judging.rules.read.marks import FORM, Level, Mark
from rilctl.engines.judging.rules.read.phrases import (
    ACCORDING_TO_KEY,
    CLOSING,
    CORRECTION,
    EXPLANATION,
    GOES_ON_HEDGED,
    HAN_IF,
    NEGATION,
    TAKEN_BACK,
)
from rilctl.engines.judging.rules.read.plain import normal
from rilctl.engines.judging.rules.read.reading import NOTHING, SEVERAL_CANDIDATES, Reading, reading, reasons_otherwise
from rilctl.engines.judging.rules.read.statements import (
    bare_forms,
    first_clause,
    split_statements,
    without_contrast,
)

_MAX_CHARS = 10_000
_MAX_STATEMENTS = 60
_REPORTED = re.compile(rf"[\s,]*{ACCORDING_TO_KEY}", re.IGNORECASE)
"""After an answer that others give."""
_REASON = re.compile(r"\b(?:because|since|given|due)\b|,\s(?:as|for)\s|[;:]|\.\s", re.IGNORECASE)
_SET_APART = re.compile(
    r"[$\s]*,?\s(?:\(?not to be confused with|which (?:isn't|is not) the same as|as opposed to|unlike)\s"
    r"(?:[^.,;\n?]|[.,](?=[0-9])){1,80}(?=\.(?![0-9])|\n|$)",
    re.IGNORECASE,
)
"""What an answer isn't, behind it."""
_NEXT_LETTER = re.compile(r"[\s,;/&]*(?:(?:and|or)\s+)?(?:[(\[]\s?[A-J]\s?[)\]]|[A-J](?=[,;.]|\s*$|\s+(?:and|or|&)\s))")
_EACH = re.compile(r"\bfor the \w+(?: one)?, .*\bfor the ", re.IGNORECASE)
_ASIDE = re.compile(r"\([^()]{0,80}\)")
_BLANK = re.compile(r"\\[hv]?phantom\s?\{[^{}]{0,20}\}|\\(?:quad|qquad|square|Box)\s*|[?_]{1,9}")
_SENTENCE = re.compile(r"[^\w.!]{0,5}[.!][^\w.!]{1,5}([Ii]f\s[^\n]{3,400})")
_CONDITION = re.compile(r"[\s,]*(?:if|when)\s([^.;\n]{3,160})", re.IGNORECASE)
_GOES_ON = re.compile(
    r"[^\S\n]*[$*]{0,2}[^\S\n]*(?:\?|(?:is|was|isn't|wasn't|would|could|can|may|might|seems)\b[^.;,\n]*)"
)
_MAX_BEFORE, _MAX_CLAUSE = 200, 80
_CLAUSE = re.compile(r"[.!?;:]\s|\n|\b(?:but|though)\b|,\s(?!(?:correct|right|final|best)\b)")
_ENVIRONMENT = re.compile(r"\\end\s?\{[a-z]+\*?\}\s*$")
_UNFILLED = re.compile(r"_+[\s.]*(?:\n|$)|\.\s*\n")
"""Nobody wrote an answer there."""
_OF_SOMEONE = re.compile(r"\b(?!(?:it|that|here|there|what)'s)\w+(?:'s|s')\s$", re.IGNORECASE)
"""Before an answer that is spoken of, which marks nothing: `the witness's answer was`."""
_SOMEONES = re.compile(
    r"\W*(?:the |an? |his |her |their )?(?!(?:it|that|here|there|what|let|who|he|she|question|problem|puzzle|riddle"
    r"|exercise|task|picture|image|quiz)'s)"
    rf"\w[\w-]{{0,60}}(?:'s|s') (?:\w+ )?(?:answer|choice|guess|reply|response|opinion)\b"
    r"|\W*(?:the |an? |my |his |her )?(?!(?:it|this|that|who)\b)\w{3,40} (?:believes|reckons|guesses|insists|hints)\b"
    rf"|\W*{HAN_IF}[^。,\n]{{0,12}}答案",
    re.IGNORECASE,
)
_THIS = re.compile(r"\b(?:this|my)\s$", re.IGNORECASE)
_EXPLAINED = re.compile(
    r"\W*(?:made|based|influenced|supported|guided|informed|justified|reached|drawn|derived|grounded|due|because)\b",
    re.IGNORECASE,
)
"""Behind `this choice is`, which speaks of an answer that was given."""
_LONE_LEAD = re.compile(r"^\W*(?:but|instead|rather|however|otherwise)\W+(?:the|my)\W*$", re.IGNORECASE)
_BUT = re.compile(r"^(?:but|however|yet|though|although)\b[ ,]*", re.IGNORECASE)


def own_marks(marks: list[Mark], text: str, question: str) -> list[Mark]:
    """Without marks of an answer that isn't the response's own or not its last: `The reference answer is 5`."""
    return [
        mark
        for mark in marks
        if (_is_own(mark, text, question) if mark.level is not Level.SET_APART else not _is_blank(mark, question))
    ]


def is_of_someone(statement: str, question: str) -> bool:
    """Whether a statement speaks of somebody's answer, or of what would be one, and the question doesn't."""
    of_someone = _SOMEONES.match(statement)
    return of_someone is not None and normal(of_someone[0]) not in normal(question)


def _is_blank(mark: Mark, question: str) -> bool:
    """Whether a box is the question's own, with nothing in it, for what is asked for."""
    return mark.content is not None and _BLANK.fullmatch(mark.content) is not None and mark.content in question


def _is_own(mark: Mark, text: str, question: str) -> bool:
    before = _ENVIRONMENT.sub("\n", text[max(0, mark.start - _MAX_BEFORE) : mark.start])
    marked = FORM.sub("", text[mark.start : mark.end])
    if _UNFILLED.match(mark.content or "") or (_THIS.search(before) and _EXPLAINED.match(mark.content or "")):
        return False
    if not before or marked[0] in ".!?;:,\n":  # it begins a sentence or clause
        return leads(marked, question) and not is_unreal(before)
    if _OF_SOMEONE.search(before):
        return False
    clause = _CLAUSE.split(before[-_MAX_CLAUSE:])[-1]
    return (_LONE_LEAD.search(clause) is not None or leads(f"{clause}{marked}", question)) and not is_unreal(before)


def read_marked(marks: list[Mark], text: str, kind: Kind, question: str) -> Reading:
    """The answer that the strongest marks, and all marks behind them, agree on.

    Args:
        marks: of the text, in their order; at least one.
        text: tidy, without markup.
        kind: of the answer that the question has.
        question: what was asked.
    """
    marks = [mark for mark in marks if mark.content != ""] or marks
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
        value = None if mark.content is None else _marked_value(mark, text, kind, question)
        is_last = place + 1 == len(counted)
        if not is_last and _goes_into(mark, counted[place + 1], kind):
            return Reading(None, _shown(mark.content), SEVERAL_CANDIDATES)
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


def _goes_into(mark: Mark, other: Mark, kind: Kind) -> bool:
    """Whether a mark's answer and the next one's, in one sentence, are a value and the letter of another one."""
    content = mark.content or ""
    follows = (other.content or "").partition("\n")[0]
    content = content.rstrip().removesuffix("对应").rstrip()
    return content.endswith((",", ";")) and kind.mislabels(f"{content} {follows}")


def _marked_value(mark: Mark, text: str, kind: Kind, question: str) -> Any:
    content = mark.content or ""
    value = kind.whole(content)
    rest = text[mark.end :] if mark.level is Level.SET_APART else ""
    if value is None:
        line, _, below = content.partition("\n")
        line = without_asked_condition(without_contrast(line), question)
        if kind.mislabels(line):
            return SEVERAL
        value, lead, rest_of_line = _said_in(line, kind)
        if (
            value not in (None, SEVERAL)
            and not kind.is_led(line)
            and not _leaves(lead, rest_of_line, value, kind, question)
        ):
            return SEVERAL
        if value is not None and _goes_on_listing(rest_of_line, kind):
            return SEVERAL
        if value is not None:
            rest = f"{rest_of_line}\n{below}\n{rest}"
        elif value is None and kind.many_lines:
            value = kind.whole(content.partition("\n\n")[0])
        elif rest_of_line.strip() and GOES_ON_HEDGED.match(rest_of_line):
            return SEVERAL
    if value is None or value is SEVERAL:
        return value
    return SEVERAL if _contradicted(value, rest, kind, question) else value


def _said_in(line: str, kind: Kind) -> tuple[Any, str, str]:
    """The value of a marked line, what leads into it, and what follows it there."""
    if line.rstrip().endswith("?"):
        return None, "", ""
    for form in bare_forms(line):
        clause = first_clause(form)
        for part in dict.fromkeys((form.strip(), clause)):
            value = kind.whole(part) if part else None
            if value is not None:
                rest = form[len(part) :]
                return (None, "", "") if rest.startswith("?") else (value, line.removesuffix(form), rest)
    for form in bare_forms(line):
        clause = first_clause(form)
        value = kind.within(clause) if clause else None
        if value is not None and value is not SEVERAL:
            return value, line.removesuffix(form) + clause, form[len(clause) :]
    first = split_statements(line)[0] if line.strip() else ""
    return kind.within(first), first, line[len(first) :]


def _leaves(lead: str, rest: str, value: Any, kind: Kind, question: str) -> bool:
    """Whether what stands around a value in its line leaves it what it is."""
    reason = _REASON.search(rest)
    rest = _ASIDE.sub("", rest[: reason.start()] if reason else rest)
    if "=" in lead:
        lead = lead.rpartition(": ")[2]
    if (
        _EACH.search(rest)
        or not is_accounted(lead, question, free="=" in lead)
        or not is_accounted(rest, question, free=True)
    ):
        return False
    is_open = kind.explains or "=" in rest or not (kind.is_closed or any(map(str.isdigit, rest)))
    other = None if is_open or not rest.strip(" .,;") else kind.within(rest)
    return other is None or other is SEVERAL or kind.same(value, other)


def _goes_on_listing(rest: str, kind: Kind) -> bool:
    """Whether a letter is the first of several: `(A), (B) and (C)`."""
    return kind.is_closed and _NEXT_LETTER.match(rest) is not None


def _contradicted(value: Any, rest: str, kind: Kind, question: str) -> bool:
    """Whether what follows an answer offers another one, or takes it back."""
    if not rest.strip():
        return False
    if _goes_on_hedged(rest, value, kind, question) or reasons_otherwise(value, rest, kind):
        return True
    if not kind.keeps_denials and UNSAYS.search(rest[:_MAX_CLAUSE].partition("\n")[0]):
        return True
    set_apart = _SET_APART.match(rest)
    rest = rest[set_apart.end() :] if set_apart and not SPEAKS_OF_ANSWERS.search(set_apart[0]) else rest
    if _REPORTED.match(rest) or ((goes_on := _GOES_ON.match(rest)) and _turns(goes_on[0])):
        return True
    for statement in split_statements(rest[:_MAX_CHARS])[:_MAX_STATEMENTS]:
        piece = _unpunctuated(statement)
        if EXPLANATION.match(f"\n{piece}"):
            return False
        if TAKEN_BACK.search(piece) or (takes_back(statement.lstrip(" ,;.)")) and not CLOSING.match(piece)):
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


def _goes_on_hedged(rest: str, value: Any, kind: Kind, question: str) -> bool:
    """Whether an alternative or a condition follows, but for the condition that the question makes."""
    condition = _CONDITION.match(rest)
    if condition and stems(condition[1]) <= stems(question) and kind.within(condition[1]) is None:
        return False
    sentence = _SENTENCE.match(rest)
    held = without_asked_condition(sentence[1], question) if sentence else ""
    if sentence and held != sentence[1]:
        other = kind.within(split_statements(held)[0])
        return other is SEVERAL or (other is not None and not kind.same(value, other))
    return GOES_ON_HEDGED.match(rest) is not None


def _turns(rest: str) -> bool:
    """Whether what a sentence goes on with after an answer that is set apart denies or doubts it."""
    return NEGATION.search(rest) is not None or not is_accounted(rest, "", free=True)


def _unpunctuated(piece: str) -> str:
    return _BUT.sub("", piece.lstrip(" ,;:.)"))


def _shown(content: str | None) -> str | None:
    return content.split("\n", 1)[0] if content else None
