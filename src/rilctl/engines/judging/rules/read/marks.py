"""Where a response marks its final answer: tags, boxes, `#### 42`, "the answer is …"."""

import re
from dataclasses import dataclass
from enum import IntEnum

MAX_CHARS = 2_000
"""Of one marked answer; more is no answer."""
_MAX_MARKS = 50

_TAG = re.compile(r"<(/?)(?:answer|conclusion|final_answer|final|response)>|<\|(begin|end)_of_box\|>", re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,2}\{")
_HASHES = re.compile(r"(?:^|\n)[ \t]{0,3}####[ \t]{0,3}(?![ \t#]|(?:final )?answer\b)([^\n]{1,200})", re.IGNORECASE)
_CONNECTOR = r"(?:is|was|are|would be|should be|will be|must be|=|:|->|=>|-(?=\s))"
_MARKER = re.compile(
    r"(?<![\w-])(?P<final>final )?(?P<noun>answers?|ans|option|choice|result|solution)\b(?: letter)?[\"')]{0,2}"
    r"(?: (?:to|for|of) [^\n.:=?]{1,80}?)?"
    rf"\s{{0,3}}(?:{_CONNECTOR}(?![\w'])[ \t]{{0,3}}){{1,3}}",
    re.IGNORECASE,
)
_BARE_MARKER = re.compile(
    r"(?:^|[\n.!?;:,])[ \t]{0,3}(?:(?:so|thus|therefore|hence|and|the|my|final|correct),? ){0,3}answer {1,3}"
    rf"(?!(?:{_CONNECTOR}|to|for|of)(?![\w']))(?=\S)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(?:^|\n)[# \t]{0,8}(?:final )?answer[ \t]{0,3}:?[ \t]{0,3}\n", re.IGNORECASE)
_FOREIGN = re.compile(
    r"(?:最终答案|正确答案|答案|正确选项)\s{0,2}(?:应该|应)?(?:是|为|选|:)\s{0,2}:?|(?:故选|应选|所以选|因此选)择?\s{0,2}:?"
    r"|\bla réponse (?:finale |correcte )?est\b(?! pas)\s?:?|\bréponse(?: finale)?\s?:"
    r"|\bdie (?:richtige )?antwort (?:ist|lautet)\b(?! nicht)\s?:?|\bantwort\s?:"
    r"|\bla respuesta (?:final |correcta )?es\b\s?:?|\brespuesta(?: final)?\s?:"
    r"|\ba resposta (?:final |correta )?é(?!\w)\s?:?|\bresposta(?: final)?\s?:"
    r"|\bla risposta (?:finale |corretta )?è(?!\w)\s?:?|\brisposta(?: finale)?\s?:",
    re.IGNORECASE,
)


class Level(IntEnum):
    """How strongly a mark says that it is final."""

    SAID = 1
    CALLED_FINAL = 2
    SET_APART = 3


@dataclass(frozen=True)
class Mark:
    """An answer that a response marks as such.

    Args:
        start: where the mark begins.
        end: where its answer begins, or ends where that is set apart.
        content: the answer, up to the next mark; None where it never ends.
        level: its strength.
    """

    start: int
    end: int
    content: str | None
    level: Level


def find_marks(text: str) -> list[Mark]:
    """The marks of a (tidy) response without markup, in their order; the last ones where there are very many."""
    marks: list[Mark] = []
    folded = text.casefold()
    if "<" in text:
        marks += _tags(text)
    if "\\" in text:
        marks += _boxes(text)
    if "####" in text:
        marks += [Mark(m.start(1), m.end(1), m[1].strip(), Level.SET_APART) for m in _HASHES.finditer(text)]
    if any(word in folded for word in ("ans", "option", "choice", "result", "solution")):
        marks += _said(text, marks)
    if not text.isascii() or "respuesta" in folded or "antwort" in folded or "rispost" in folded or "respost" in folded:
        marks += [_open(match, text, Level.SAID) for match in _FOREIGN.finditer(text)]
    return _until_the_next(sorted(marks, key=lambda mark: (mark.end, mark.start))[-_MAX_MARKS:])


def _said(text: str, set_apart: list[Mark]) -> list[Mark]:
    last_line_start = text.rfind("\n") + 1
    found = [
        match
        for match in _MARKER.finditer(text)
        if match["noun"].casefold() not in ("result", "solution") or match.start() >= last_line_start
    ]
    marks = [_open(match, text, Level.CALLED_FINAL if match["final"] else Level.SAID) for match in found]
    bare = [match for match in _BARE_MARKER.finditer(text) if match.start() >= last_line_start - 1]
    marks += [_open(match, text, Level.SAID) for match in (*bare, *_HEADING.finditer(text))]
    inside = [(mark.start, mark.end) for mark in set_apart]
    return [mark for mark in marks if not any(start <= mark.start < end for start, end in inside)]


def _open(match: re.Match[str], text: str, level: Level) -> Mark:
    content = text[match.end() : match.end() + MAX_CHARS].strip()
    return Mark(match.start(), match.end(), content if "{" in content else content.rstrip("}"), level)


def _until_the_next(marks: list[Mark]) -> list[Mark]:
    """Answers that aren't set apart end where the next mark begins."""
    found = []
    for place, mark in enumerate(marks):
        later = [other for other in marks[place + 1 :] if other.start > mark.end or other.end > mark.end]
        if mark.level is not Level.SET_APART and later and mark.content:
            start = min(other.start for other in later)
            mark = Mark(mark.start, mark.end, mark.content if start <= mark.end else _cut(mark, start), mark.level)
        found.append(mark)
    return found


def _cut(mark: Mark, start: int) -> str:
    return (mark.content or "")[: start - mark.end].strip()


def _tags(text: str) -> list[Mark]:
    found, opened = [], None
    for match in _TAG.finditer(text):
        if match[1] == "/" or (match[2] or "").casefold() == "end":
            if opened is not None:
                found.append(
                    Mark(opened.start(), match.end(), _inner(text, opened.end(), match.start()), Level.SET_APART)
                )
            opened = None
        else:
            opened = match
    if opened is not None:
        found.append(Mark(opened.start(), len(text), _inner(text, opened.end(), len(text)), Level.SET_APART))
    return found


def _inner(text: str, start: int, end: int) -> str:
    return text[start : min(end, start + MAX_CHARS)].strip()


def _boxes(text: str) -> list[Mark]:
    found = []
    for match in list(_BOX.finditer(text))[-_MAX_MARKS:]:
        depth, end = 1, None
        for place in range(match.end(), min(len(text), match.end() + MAX_CHARS)):
            depth += (text[place] == "{") - (text[place] == "}")
            if not depth:
                end = place
                break
        content = None if end is None else text[match.end() : end].strip()
        found.append(Mark(match.start(), match.end() if end is None else end + 1, content, Level.SET_APART))
    return found
