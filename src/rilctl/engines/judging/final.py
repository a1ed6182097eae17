"""Where a response says its final answer: tags, a box, "the answer is …", or its last line.

Only the last `MAX_CHARS` characters are read: final answers come at the end, and hostile input costs little.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from rilctl.engines.judging.text import clean, normalise

MAX_CHARS = 10_000
MAX_ANSWER_CHARS = 2_000

_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_CONNECTOR = r"(?:is|was|are|would be|should be|will be|must be|=|:|->|=>)"
_MARKER = re.compile(
    r"(?<![\w-])(?P<final>final )?(?P<noun>answers?|ans|option|choice|result|solution)\b[\"')]{0,2}"
    r"(?: (?:to|for|of) [^\n.:=?]{1,80}?)?"
    rf"\s{{0,3}}(?:{_CONNECTOR}(?![\w'])[ \t]{{0,3}}){{1,3}}",
    re.IGNORECASE,
)
_BARE_MARKER = re.compile(
    r"(?:^|[\n.!?;:,])[ \t]{0,3}(?:(?:so|thus|therefore|hence|and|the|my|final|correct),? ){0,3}answer "
    rf"(?!(?:{_CONNECTOR}|to|for|of)(?![\w']))(?=\S)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(?:^|\n)[# \t]{0,8}(?:final )?answer[ \t]{0,3}\n", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|no|sorry|instead|rather|mistake|but|however|final(?:ly)?)\b", re.IGNORECASE
)
_CLAUSE_END = re.compile(
    r"[.!?](?=\s|$)|[;\n]|,?\s(?:because|since|as|which|so|given|where|due)\s|\s(?=\()|,\s(?=(?:or|and|but|not|maybe)\b)"
)
_HEDGE = re.compile(r"[\s.,;:!?(/]*(?:or|alternatively|maybe|perhaps|possibly|either|else)\b", re.IGNORECASE)
_PIECE_END = re.compile(r"(?<=[.!?;])\s+|\n")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LEAD_IN = re.compile(
    r"(?:(?:so|thus|therefore|hence|then|well|okay|ok|sure)\b[,:]?\s+)?"
    r"(?:i\s+(?:see|think|believe|guess|choose|pick|say|would\s+say)\s+(?:that\s+)?)?"
    r"(?:(?:it|this|that|he|she|they|these|those|there|we)(?:'s|'re|\s+is|\s+are|\s+was|\s+were)\s+"
    r"|(?:the|its|this|that|these|their|his|her)\s[^.,;:?!\n]{1,80}?\s(?:is|are|was|were)\s+)?",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|cannot|no|none|without|except|wrong|incorrect)\b|n't\b", re.IGNORECASE
)


@dataclass(frozen=True)
class FinalAnswer:
    """A response's last word.

    Args:
        text: cleaned; what stands after the marker, or the last line.
        explicit: whether a marker announced it.
        earlier: what stood after earlier markers that nothing took back.
        whole: everything that it was found in: from the marker on, or the whole response.
    """

    text: str
    explicit: bool
    earlier: tuple[str, ...]
    whole: str

    @property
    def is_hedged(self) -> bool:
        """Whether it starts or goes on with an alternative: `5, or maybe 6`."""
        if not self.explicit:
            return _HEDGE.match(_SENTENCE_END.split(self.text)[-1]) is not None
        return _HEDGE.match(self.text[len(first_clause(self.text)) :]) is not None

    @property
    def neighbours(self) -> tuple[str, ...]:
        """The first two statements behind a marker, or the response's last two: candidates that may compete."""
        pieces = [piece.strip() for piece in _PIECE_END.split(self.whole) if piece.strip()]
        return tuple(pieces[:2] if self.explicit else pieces[-2:])

    @property
    def readings(self) -> tuple[str, ...]:
        """Forms to compare, the longest first: the text, its first clause or last sentence, both without lead-in."""
        short = first_clause(self.text) if self.explicit else _SENTENCE_END.split(self.text)[-1]
        forms = [self.text, short]
        forms += [form[match.end() :] for form in forms if (match := _LEAD_IN.match(form)) and match.end()]
        return tuple(dict.fromkeys(form.strip() for form in forms if form.strip()))


def find_final_answer(response: str, question: str = "") -> FinalAnswer | None:
    """The final answer of a response as it was generated, or None where there is none.

    Args:
        response: any text; thinking up to `</think>` is skipped, and thinking that never ends has no answer.
        question: a repetition of it in the response doesn't count as an answer.
    """
    text = response.rpartition("</think>")[2].partition("<think>")[0].strip()[-MAX_CHARS:]
    inner = _tagged(text)
    inner = _boxed(text) if inner is None else inner
    if inner is not None:
        found = _in_prose(clean(inner)[-MAX_ANSWER_CHARS:].strip())
        return replace(found, explicit=True) if found else None
    return _in_prose(_without_question(clean(text)[-MAX_CHARS:], clean(question[-MAX_CHARS:])).strip())


def first_clause(text: str) -> str:
    """What stands before the first full stop, explanation or alternative."""
    return _CLAUSE_END.split(text, maxsplit=1)[0]


def is_negated(text: str) -> bool:
    """Whether a (cleaned) text denies something: `not 5`, `B is wrong`."""
    return _NEGATION.search(text) is not None


def _tagged(text: str) -> str | None:
    contents, start = [], None
    for match in _TAG.finditer(text):
        if not match[1]:
            start = match.end()
        elif start is not None:
            contents.append(text[start : match.start()])
            start = None
    if start is not None:
        contents.append(text[start:])
    return _joined(contents)


def _boxed(text: str) -> str | None:
    contents = []
    for piece in text.split("\\boxed{")[1:]:
        depth = 1
        for place, character in enumerate(piece[:MAX_ANSWER_CHARS]):
            depth += (character == "{") - (character == "}")
            if not depth:
                contents.append(piece[:place])
                break
    return _joined(contents)


def _joined(contents: list[str]) -> str | None:
    """Several different contents become a list, which only a list answers."""
    distinct = {normalise(clean(content[:MAX_ANSWER_CHARS])): content for content in contents[-100:]}
    return "; ".join(distinct.values()) if contents else None


def _in_prose(text: str) -> FinalAnswer | None:
    if not text:
        return None
    last_line_start = text.rfind("\n") + 1
    markers = [
        match
        for match in _MARKER.finditer(text)
        if match["noun"].casefold() not in ("result", "solution") or match.start() >= last_line_start
    ]
    markers += [match for match in _BARE_MARKER.finditer(text) if match.start() >= last_line_start - 1]
    markers += list(_HEADING.finditer(text))
    markers.sort(key=lambda match: match.end())
    if not markers:
        return FinalAnswer(_last_line(text), False, (), text[-MAX_ANSWER_CHARS:])
    block = text[markers[-1].end() : markers[-1].end() + MAX_ANSWER_CHARS].strip()
    if not block:
        return None
    earlier = [
        first_clause(text[match.end() : match.end() + MAX_ANSWER_CHARS].strip())
        for match, following in pairwise(markers[-20:])
        if not _CORRECTION.search(text[match.end() : following.end()][-1000:])
    ]
    return FinalAnswer(block.split("\n", 1)[0].strip(), True, tuple(earlier), block)


def _last_line(text: str) -> str:
    """The last line with a letter or digit in it; the last line where there is none."""
    lines = [line.strip() for line in text[-MAX_ANSWER_CHARS:].splitlines()]
    return next((line for line in reversed(lines) if any(map(str.isalnum, line))), lines[-1])


def _without_question(text: str, question: str) -> str:
    words = question.split()
    if not 3 <= len(words) <= 1000:
        return text
    return re.sub(r"\s+".join(map(re.escape, words)), "\n", text, flags=re.IGNORECASE)
