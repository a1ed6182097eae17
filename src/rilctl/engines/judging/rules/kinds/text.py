"""Words as answers, and numbers that are codes."""

import re
from functools import lru_cache
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.leader import leader
from rilctl.engines.judging.rules.kinds.names import apposition_at, calendar_name, without_country
from rilctl.engines.judging.rules.read.accounted import is_accounted
from rilctl.engines.judging.rules.read.clauses import asked_stems, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.echo import echo_ends, is_turned, without_echo
from rilctl.engines.judging.rules.read.languages import foreign_forms
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, HEDGE
from rilctl.engines.judging.rules.read.plain import normal, plain
from rilctl.engines.judging.rules.read.statements import (
    bare_forms,
    split_statements,
    without_asked_negation,
    without_contrast,
)
from rilctl.engines.judging.rules.read.subjects import begins_with_another
from rilctl.engines.judging.rules.read.told import other_than_asked, told

_QUOTED = re.compile(r"^[^\"']{0,120}(?<!\w)(?:\"([^\"\n]{1,120})\"|'([^'\n]{1,120})')[\s.!,]*$")
"""One quotation, at the end."""
_QUOTED_FIRST = re.compile(r"^\"([^\"\n]{1,120})\"\s(?:is|was|are|were|stands)\b[^\"]*$")
_ASIDE = re.compile(r"\s\([^()]{1,80}\)\.?$")
_REASON = re.compile(
    r",?\s(?:because|since|which|where|as it|given that|due to)\s|,\sas\s(?!well)|,\s(?:with|at)\s[^,]*[0-9]"
    r"|,\si (?:think|believe)\b|,\snear\s|,\s(?:closely\s)?(?:followed|ahead|then|compared|trailed|with|in|on"
    r"|at|from|by|who|whose)\s(?!.*\b(?:or|and)\b)",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    r"^\W*(?:judging|going|based|considering)\b[^,]{1,80},\s(?=(?:it|he|she|they|this|that|these|those)(?:'|\b))",
    re.IGNORECASE,
)
"""By what an answer is found."""
_BECAUSE = re.compile(r",?\s(?:because|since|given|due|as|where)\b", re.IGNORECASE)
_STARTS_PROSE = re.compile(r"(?:i|we|let|let's|look\w*|first|then|next|here|okay|ok|sure|well|step)\b", re.IGNORECASE)
_DENIES = re.compile(
    r"(?:it|that|this|he|she|they)(?:'s not| is not|\s?isn't| was not| wasn't|'re not)\b", re.IGNORECASE
)
_REFERENCE = re.compile(
    r"^(?:v|ver\.|version|release|revision|section|chapter|§|[sp]/n|serial no\.|ref\.?|id|no\.|nr\."
    r"|#)\s?:?\s?(?=\S*[0-9])",
    re.IGNORECASE,
)
"""Before a code."""
_NO = re.compile(r"\bno\.", re.IGNORECASE)
"""Number, and no denial."""
_YOURS = re.compile(r"(\W*)your (?=((?:\w+ ){1,3}?)(?:is|are)\b)", re.IGNORECASE)
_OWNED = re.compile(r"'s\W*$")
_ORDINALS = {
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th", "seventh": "7th",
    "eighth": "8th", "ninth": "9th", "tenth": "10th", "eleventh": "11th", "twelfth": "12th", "thirteenth": "13th",
    "fourteenth": "14th", "fifteenth": "15th", "sixteenth": "16th", "seventeenth": "17th", "eighteenth": "18th",
    "nineteenth": "19th", "twentieth": "20th",
}  # fmt: skip
_ORDINAL = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b")
_SIGNS = re.compile(r"[0-9=+*/^:]")
_CODE = re.compile(r"(?<![\w.])[+(]{0,2}[0-9][0-9()./ -]{5,24}[0-9](?!\w)")
_RATIO = re.compile(r"(?<=[0-9])to(?=[0-9])")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_TITLE = re.compile(r"^(?:mrs?|ms|miss|dr|prof|sir|madam)\.?\s(?=\w{2,})")
_AND_OVER = re.compile(r"(?<=[0-9])(?:\s(?:years?|yrs?)(?: old| of age)?)?\s(?:and|or) (?:over|older|above|up|more)\b")
_PLACE = re.compile(r"(?:on|in|at) ", re.IGNORECASE)
_ASKS_NAME = re.compile(r"\b(?:name|called|which)\b", re.IGNORECASE)
_DECADE = re.compile(r"(?<=[0-9]0)'(?=s\b)")
_CONTRASTS = re.compile(
    r"\b(?:but|although|though|while|whereas|next|beside|other|another|before|after)\b", re.IGNORECASE
)
_MARKS_OF_ONE = 2
_HAN_DOING = re.compile("(?:正在|在)([^，。,在]{1,12}?)[。. ]*$")
_ASKS_DOING = re.compile("做什么|干什么|干嘛")
_DOING = re.compile(r"\bdoing\b", re.IGNORECASE)
_WHERE_DONE = re.compile(
    r"(?<=ing)(?: with [\w ]{1,30}?)?\s(?:on|in|at|from|by|near|next to|along|under|outside|inside|beside"
    r"|behind|through|across|over)\s.*$",
    re.IGNORECASE,
)
_MAX_BARE_WORDS = 3
_MAX_CHARS = 1000


class TextKind(Kind):
    """Texts as answers, equal without case, articles, accents and punctuation around words.

    A value is the forms that one statement offers: itself, without what leads into the answer, without the question's
    words around it, what it quotes.

    Args:
        question: its words, repeated around an answer, are no part of it.
    """

    name = "text"
    explains = True

    def __init__(self, question: str) -> None:
        self._question = question

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        if len(text) > _MAX_CHARS or text.rstrip().endswith("?") or len(split_statements(text)) > 1:
            return None
        return self.forms(text) or None

    def forms(self, statement: str) -> frozenset[str]:
        """The normal forms of a (tidy) statement."""
        found = [plain(statement)]
        found[0] = _as_asked(found[0], self._question)
        kept = without_asked_negation(without_contrast(found[0]), self._question)
        reason = _REASON.search(kept)
        cut = kept[reason.start() :] if reason else "".join(_ASIDE.findall(kept))
        if cut.lstrip()[:1] == "(" and HEDGE.search(cut):
            return frozenset()
        if cut and not _BECAUSE.match(cut) and not is_accounted(cut, self._question, free=True):
            return frozenset()
        kept = kept[: reason.start()] if reason else _ASIDE.sub("", kept)
        judged = _JUDGED.match(kept)
        if judged and is_accounted(judged[0], self._question, free=True):
            kept = kept[judged.end() :]
        concluded = [match.end() for match in CONCLUSION.finditer(kept)]
        if concluded:
            kept = kept[concluded[-1] :]
        doubted = is_doubted(kept, self._question)
        if is_turned(kept, self._question) or begins_with_another(found[0], self._question):
            return frozenset({normal(found[0])}) - {""}
        for form in bare_forms(kept):
            if doubted:
                found += [] if is_doubted(_NO.sub("", kept.removesuffix(form)), self._question) else [form]
                continue
            lead = kept.removesuffix(form)
            if other_than_asked(lead, self._question) or not is_accounted(lead, self._question):
                continue
            found += [form, *without_echo(form, self._question), *echo_ends(form, self._question)]
            found += [form[:cut] for cut in (apposition_at(form, self._question),) if cut]
        if not is_turned(found[0], self._question):
            found += told(found[0], self._question)
        found += [name for name in (leader(found[0], self._question),) if name]
        if not doubted:
            found += [each for each in foreign_forms(kept) if not is_doubted(kept.removesuffix(each), "")]
            if doing := _HAN_DOING.search(kept) if not kept.isascii() and _ASKS_DOING.search(self._question) else None:
                found.append(doing[1])
            found += [place for each in found if (place := without_country(each, self._question))]
            if _DOING.search(self._question):
                found += [_WHERE_DONE.sub("", each) for each in list(found)]
            found += [owner for each in found if (owner := _owner(each, self._question))]
        quoted = _QUOTED.search(kept)
        if quoted and not doubted:
            found.append(quoted[1] or quoted[2])
        found += _only_quotation(found[0], self._question)
        first = _QUOTED_FIRST.match(found[0])
        if first and not is_doubted(found[0].replace(first[1], ""), self._question):
            found.append(first[1])
        together = {squeezed(each) for each in found if _SIGNS.search(each)}
        return (frozenset(_counted(normal(each)) for each in found if each.strip()) | together) - {""}

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        return None

    def is_bare(self, text: str) -> bool:
        """See `Kind`."""
        return len(text.split()) <= _MAX_BARE_WORDS and not _STARTS_PROSE.match(text) and not _DENIES.match(text)

    def is_told(self, statement: str) -> bool:
        """See `Kind`."""
        return told(plain(statement), self._question) != ()

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return not one.isdisjoint(other)


def _as_asked(text: str, question: str) -> str:
    """`Your gate is B17` as `The gate is B17`, where a gate is asked for."""
    yours = _YOURS.match(text)
    return f"{yours[1]}the {text[yours.end() :]}" if yours and stems(yours[2]) <= asked_stems(question) else text


def _only_quotation(text: str, question: str) -> list[str]:
    """What a sentence about what was asked quotes: `"Not interested" is the most common reason`."""
    if text.count('"') != _MARKS_OF_ONE:
        return []
    before, quoted, behind = text.split('"')
    rest = f"{before} {behind}"
    is_asked = len(stems(rest) & asked_stems(question)) > 1 and not other_than_asked(rest, question)
    return [quoted] if is_asked and not is_doubted(rest, question) and not _CONTRASTS.search(rest) else []


def _owner(text: str, question: str) -> str:
    """`Japan` of `Japan's`, where the question asks whose."""
    owned = _OWNED.search(text) if "'s" in question or "whose" in question.casefold() else None
    return text[: owned.start()] if owned else ""


def text_value(text: str, question: str = "") -> frozenset[str]:
    """The value of a (plain) ground truth; where a name is asked for, without what the question calls it."""
    is_name = _ASKS_NAME.search(question) is not None and (text[:1].isupper() or any(map(str.isdigit, text)))
    short = without_echo(text, question)[0] if is_name else ""
    place = _PLACE.match(text)
    short = text[place.end() :] if place and "where" in question.casefold() else short
    is_short = short[:1].isupper() or place or any(map(str.isdigit, short))
    found = [_counted(normal(text)), squeezed(text), _counted(normal(short)) if is_short else ""]
    return frozenset(found) - {""}


class CodeKind(Kind):
    """Telephone and account numbers: the digits, in their order, however they are grouped."""

    name = "code"

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        match = _CODE.fullmatch(plain(text).strip(" .,;:"))
        return None if match is None else _digits(match[0])

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        found = {_digits(match[0]) for match in _CODE.finditer(plain(sentence[-1000:]))}
        if found and is_doubted(sentence, ""):
            return SEVERAL
        return found.pop() if len(found) == 1 else SEVERAL if found else None


@lru_cache(maxsize=4096)
def _counted(text: str) -> str:
    """With ordinals in digits, `third place` is `3rd place`, and names of the calendar in full."""
    text = _TITLE.sub("", _REFERENCE.sub("", text)).replace(" & ", " and ")
    if text[:1].isdigit():
        text = _DECADE.sub("", _AND_OVER.sub("+", text))
    return calendar_name(text) or _ORDINAL.sub(lambda match: _ORDINALS[match[0]], text)


def squeezed(text: str) -> str:
    """Without spaces, where signs or digits make them no matter: `3 : 2` is `3:2`."""
    return _RATIO.sub(":", _THOUSANDS.sub("", "".join(text.casefold().split()).rstrip(".")))


def is_code(text: str) -> bool:
    """Whether a ground truth is a number that counts nothing."""
    return (
        bool(_CODE.fullmatch(text))
        and sum(map(str.isdigit, text)) >= 7
        and re.search(r"[0-9)][ -][0-9(]", text) is not None
    )


def _digits(text: str) -> str:
    return re.sub(r"[^0-9+]", "", text).lstrip("+")
