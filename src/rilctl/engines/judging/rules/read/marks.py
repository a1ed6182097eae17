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
FORM = re.compile(
    r" \((?:(?:in |as )?(?:an? |the )?(?:arabic |roman )?(?:numerals?|numbers?|integers?|decimals?|letters?|words?)"
    r"|yes ?(?:or|/) ?no|true ?(?:or|/) ?false|[A-J](?:(?:,? or |, ?|/| through | to )[A-J]){1,9})\)(?= )",
    re.IGNORECASE,
)
"""In what form the answer is, as prompts ask for it: `the answer (arabic numerals) is`."""
_MARKER = re.compile(
    r"(?<![\w-])(?P<final>final )?(?P<noun>answers?|ans|option|choice|result|solution)\b(?: letter)?[\"')]{0,2}"
    rf"(?:{FORM.pattern})?"
    r"(?: (?:to|for|of) [^\n.:=?]{1,80}?)?"
    rf"\s{{0,3}}(?:(?:{_CONNECTOR}(?![\w'])|[=:])[ \t]{{0,3}}){{1,3}}",
    re.IGNORECASE,
)
_WEAK = frozenset({"result", "solution"})
"""Which mark an answer only on the last line, and where nothing else does."""
_CALLED_CORRECT = re.compile(
    r"(?<!\w)(?:the|my) (?:(?P<final>final)|correct(?:ed)?|actual|true|right|real) (?:and (?:correct|final) )?"
    r"(?:count|number|value|total|sum|reading|figure|amount|date|time|year|name|word|order|position|letter"
    r"|percentage|price)"
    r"\b(?: (?:of|for) [^\n.:=?]{1,60}?)? (?:is|was|=|:)(?![\w'])[ \t:]{0,3}(?!not\b)",
    re.IGNORECASE,
)
_CORRECT = re.compile("orrect|inal|ctual|rue|ight|eal")
_ANSWER = re.compile(r"[aA](?:nswer|NSWER|ns\.)")
_DENIED = re.compile(
    r"(?:false|wrong|incorrect|untrue|mistake|unlikely|impossible|not (?:true|the case)|n't (?:think|believe"
    r"|say|mean|agree)"
    r"|not (?:think|believe|say|mean|agree)|doubt|den(?:y|ies|ied)|refuse)(?: to (?:say|think|believe))?(?: that)?"
    r" (?:(?:the|my) )?(?:(?:correct|right|final) )?$",
    re.IGNORECASE,
)
"""Before a mark that marks nothing."""
_DENYING = frozenset({
    "false", "wrong", "incorrect", "untrue", "mistake", "unlikely", "impossible", "true", "case", "think", "believe",
    "say", "mean", "agree", "doubt", "deny", "denies", "denied", "refuse",
})  # fmt: skip
_MAX_BEFORE = 60
_BARE_MARKER = re.compile(
    r"(?:^|[\n.!?;:,])[ \t]{0,3}(?:(?:so|thus|therefore|hence|and|the|my|final|correct),? ){0,3}(?:answer|ans\.) {1,3}"
    rf"(?!(?:{_CONNECTOR}|to|for|of|choices?|options?)(?![\w'])|\([^()\n]{{1,60}}\) {_CONNECTOR}(?![\w']))(?=\S)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(?:^|\n)[# \t]{0,8}(?:final )?answer[ \t]{0,3}:?[ \t]{0,3}\n", re.IGNORECASE)
_GOOD = (
    r"(?:(?:bonne|correcte|exacte|juste|finale?|richtige|korrekte|endgültige|correcta|buena|corretta|giusta"
    r"|esatta|correta|certa"
    r"|juiste|goede|правильный|верный|окончательный|poprawna|prawidłowa|rätta?|doğru) )?"
)
_ANSWER_WORD = (
    r"(?:réponse|antwort|respuesta|opción|risposta|opzione|resposta|opção|alternativa|antwoord|ответ|odpowiedź"
    r"|odpowiedz|svaret|svar"
    r"|cevap)"
)
_FOREIGN = re.compile(
    r"【\s?(?:最终|正确)?答案\s?】\s{0,3}:?|(?:最终答案|正确答案|正确的答案|答案(?:选项)?|正确选项)\s{0,2}(?:应该|应)?(?:是|为|选|:)\s{0,2}:?"
    r"|选项\s{0,2}(?:为|是|:)\s{0,2}:?(?=[(\[]?[A-J](?![A-Za-z]))"
    r"|(?:故选|应选|所以选|因此选|应该选|我选)(?!项)择?\s{0,2}:?"
    r"|(?:答え|正解|解答|回答)(?:は|:)\s?|(?:정답|답)(?:은|:)\s?"
    rf"|(?<!\w){_GOOD}{_ANSWER_WORD}(?: {_GOOD}|\s)\s?(?:(?:est|ist|lautet|es|is|to|är)\b(?! (?:pas|nicht|niet"
    rf"|kein))|[éè](?!\w)|-(?=\s))\s?:?"
    rf"|(?<!\w){_ANSWER_WORD}(?: {_GOOD})?\s?:",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"[$€£]?[0-9]")
_LAST_WORD = re.compile(r"([A-Za-z]+) $")
_CHOSEN = re.compile(
    r"the|my|a|an|correct|right|best|final|answer|only|true|chosen|selected|closest|proper|appropriate|so|is|be|choose",
    re.IGNORECASE,
)
_CLOSING_BRACE = re.compile(r"\s*\}+(?:\s*(?:\$\$?|\\\]|\\\)))?\s*$")
_LEAD_IN = re.compile(
    r"(?<=[.!?\n])\s*(?:(?:so|thus|therefore|hence|and|the|my|final|correct)\b,?\s*)+$", re.IGNORECASE
)
"""The beginning of the next mark's sentence."""
_DOTS = re.compile(r"^(?:\.{2,}|…)\s*(?=\S)")
"""Before an answer, as prompts leave room for it: `The answer is ... B`."""
_LETTER = re.compile(r"(?:la|el|le|il|lo|die|das|der|de|o|a)\s(?=\(?[A-J]\b)")
_FOREIGN_HINTS = re.compile("respuesta|antwo|rispost|respost|alternativa|svar|cevap|opzione|odpowied")
_ENDS_FOREIGN = re.compile(r"(?:です|でした|である|だ|입니다|이다|예요|이에요)\s?[.。!]?\s*$")


_HINTS = re.compile("ans|option|choice|result|solution|correct|final|actual|true")


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
    if _HINTS.search(folded):
        marks += _said(text, marks)
    if not text.isascii() or _FOREIGN_HINTS.search(folded):
        marks += [_foreign(match, text) for match in _FOREIGN.finditer(text)]
    return _until_the_next(sorted(marks, key=lambda mark: (mark.end, mark.start))[-_MAX_MARKS:], text)


def _said(text: str, set_apart: list[Mark]) -> list[Mark]:
    last_line_start = text.rfind("\n") + 1
    found = [
        match
        for match in _MARKER.finditer(text)
        if (match["noun"].casefold() not in _WEAK or match.start() >= last_line_start)
        and not _is_denied(text[max(0, match.start() - _MAX_BEFORE) : match.start()])
        and not _is_thing(match, text)
    ]
    strong = [match for match in found if match["final"] or match["noun"].casefold() not in _WEAK]
    found = strong or found
    marks = [_open(match, text, Level.CALLED_FINAL if match["final"] else Level.SAID) for match in found]
    if _CORRECT.search(text):
        marks += [
            _open(match, text, Level.CALLED_FINAL if match["final"] else Level.SAID)
            for match in _CALLED_CORRECT.finditer(text)
        ]
    if _ANSWER.search(text):
        bare = [match for match in _BARE_MARKER.finditer(text) if match.start() >= last_line_start - 1]
        marks += [_open(match, text, Level.SAID) for match in (*bare, *_HEADING.finditer(text))]
    if not set_apart:
        return marks
    inside = [(mark.start, mark.end) for mark in set_apart]
    return [mark for mark in marks if not any(start <= mark.start < end for start, end in inside)]


def _is_thing(match: re.Match[str], text: str) -> bool:
    """Whether an option is one of the things that are spoken of, and an amount is said of it: `Call option: $5`."""
    if match["noun"].casefold() not in ("option", "choice") or not _AMOUNT.match(text, match.end()):
        return False
    before = _LAST_WORD.search(text[max(0, match.start() - _MAX_BEFORE) : match.start()])
    return before is not None and not _CHOSEN.fullmatch(before[1])


def _is_denied(before: str) -> bool:
    return not _DENYING.isdisjoint(before.casefold().split()[-5:]) and _DENIED.search(before) is not None


def _open(match: re.Match[str], text: str, level: Level) -> Mark:
    return Mark(match.start(), match.end(), _unbraced(text[match.end() : match.end() + MAX_CHARS]), level)


def _unbraced(content: str) -> str:
    r"""Without the braces of a command that began before it: `\text{Answer: C}`."""
    content = _DOTS.sub("", content.strip())
    return content if "{" in content else _CLOSING_BRACE.sub("", content)


def _foreign(match: re.Match[str], text: str) -> Mark:
    mark = _open(match, text, Level.SAID)
    letter = _LETTER.match(mark.content or "")
    if letter:
        return Mark(mark.start, mark.end, (mark.content or "")[letter.end() :], mark.level)
    return mark if text.isascii() else Mark(mark.start, mark.end, _ENDS_FOREIGN.sub("", mark.content or ""), mark.level)


def _until_the_next(marks: list[Mark], text: str) -> list[Mark]:
    """Answers that aren't set apart end where the next mark begins; one with nothing before that marks nothing."""
    found = []
    for place, mark in enumerate(marks):
        later = [other for other in marks[place + 1 :] if other.start > mark.end or other.end > mark.end]
        if mark.level is not Level.SET_APART and later and mark.content:
            start = min(other.start for other in later)
            cut = _unbraced(_LEAD_IN.sub("", text[mark.end : min(start, mark.end + MAX_CHARS)]))
            if start > mark.end and not cut:
                continue
            mark = Mark(mark.start, mark.end, mark.content if start <= mark.end else cut, mark.level)
        found.append(mark)
    return found


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
