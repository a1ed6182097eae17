"""What stands beside an answer and leaves it open, or puts another in its place.

An answer that has been read is none where a bracket or a later sentence offers another one (`126 (or 322)`), where
someone can't decide, where the same is said again with another value, or where an option's text speaks against the
letter that is given.
"""

import re
from collections.abc import Iterator
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.options import stem_of
from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION, asked_stems, stem, stems
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, CORRECTION, HEDGE, NEGATION
from rilctl.engines.judging.rules.read.plain import normal
from rilctl.engines.judging.rules.read.statements import bare_forms
from rilctl.engines.judging.rules.read.vocabulary import KNOWN

_CHANGES = re.compile(
    r"(?:^|[.!?;,:\n)}\]>*$]\s*)(?:(?:so|and|therefore|hence|thus|then|but|now)\b,?\s)*"
    r"(?:(?:i|we)(?:'ll| will| must| have to|'m| am| have|'ve)?(?: now| therefore| hereby| thus)?"
    r" (?:correct|chang|revis|amend|updat|switch|alter|modif)(?:e|y|ed|ied|es|ing)?"
    r"(?P<own> my (?:\w+ )?(?:answer|choice|mind|reply)| myself)?(?: that| it| this| over)?"
    r"(?: from [^.;,\n]{1,40}?)?(?: to\b|:)"
    r"|(?P<mine>my (?:\w+ )?(?:answer|choice)) (?:now )?(?:changes|becomes|is changed|is corrected|is revised)"
    r"(?: to)?\b)\s*:?\s*(?P<behind>[^\n]*)",
    re.IGNORECASE,
)
"""What is put in the place of all that was said: `I correct my answer to 8`."""
_UNDECIDED = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|could not|unable to|don't know how to|not able to)\s(?:\w+ly\s)?"
    r"(?:decide|choose|make up my mind|settle|pick one|(?:say|tell) which)\b|\b(?:i'm|i am) (?:undecided|torn)\b",
    re.IGNORECASE,
)
_GIVES_UP = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|(?:not|n't) possible to|impossible to|not able to)"
    r"\s(?:be\s)?(?:\w+ly\s)?(?:determined?|conclud\w+|provide an? (?:\w+ )?answer"
    r"|answer(?:ed)? (?:the|this|that) question)\b"
    r"|\bnone of (?:the|these) (?:\w+ )?(?:options|choices|answers)(?: (?:given|provided|listed|above))?"
    r" (?:match|fit|correspond|agree|(?:is|are|seems?) (?:correct|right))"
    r"|\b(?:not|n't) (?:be )?(?:among|in|one of|listed in|available in|provided in) the (?:\w+ )?(?:options|choices)\b"
    r"|\b(?:seems|appears|must|has|is likely|is) (?:to be )?(?:be )?(?:an? |some )(?:mistake|error|inconsistency)"
    r" (?:in|with) (?:the|this|your) (?:\w+ )?(?:problem|question|given|values?|options|choices|data|statement)\b"
    r"|\bplease (?:check|verify|recheck|review) (?:the|your) (?:\w+ )?(?:problem|question|values?|options|data)\b"
    r"|(?:选项|答案)(?:都|均|全都|全部)不(?:正确|对|符合|匹配)|没有(?:一个)?(?:正确|符合\w{0,4})的?(?:选项|答案)"
    r"|\bplease provide (?:a|the|more|additional|further|us|me)\b|\band so (?:on|forth)\W*$",
    re.IGNORECASE,
)
"""Says behind an answer that there is none."""
_ITEM = re.compile(r"^[ \t]*(?:[0-9]{1,2}[.)]|[-*•])[ \t]+(\S.*?)[ \t.]*$", re.MULTILINE)
_MIN_ITEMS = 4
_MAX_ITEM = 6
"""Words of an item that only names something."""
_BRACKET = re.compile(r"[(\[]([^()\[\]\n]{2,160})[)\]]")
_OR_ELSE = re.compile(
    r"\W*(?:or(?: (?:else|rather|maybe|perhaps|possibly|even))?|maybe|perhaps|possibly|alternatively|else|otherwise"
    r"|(?:it|that|this)?\s?(?:might|may|could)(?: also| equally| just as well| well)? be)\b[,:]?\s*",
    re.IGNORECASE,
)
_IF = re.compile(r",?\s(?:if|unless|when|assuming|provided|should|in case)\b.*$", re.IGNORECASE | re.DOTALL)
_IF_FIRST = re.compile(r"\W*(?:if|unless|assuming|in case)\b.*,\s(?=[^,]+$)", re.IGNORECASE | re.DOTALL)
_MIGHT_BE = re.compile(
    r"\b(?:might|may|could)(?P<also> also| equally| just as well| as well| instead)? be "
    r"(?P<behind>(?:[^.;:!?]|[.:](?=[0-9])){1,80})",
    re.IGNORECASE,
)
_IS_POSSIBLE = re.compile(
    r"^\W*(?:(?:but|yet|though|although|however|then again|still)\b,?\s)*(?P<before>[^.;:!?,]{1,60}?)"
    r"\s(?:might|may|could|is)(?: also| equally| just as well)? (?:be )?(?:right|correct|possible|the answer|it"
    r"|fit|as likely)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r",?\s(?:if|unless|when|as|and|but|because|since|assuming|too|instead|in)\b.*$|,.*$", re.IGNORECASE)
_EXACTLY = re.compile(
    r"\W*(?:to be (?:more |fully |quite )?(?:exact|precise|accurate|specific|honest|clear|fair|sure)"
    r"|(?:more )?(?:exactly|precisely|accurately|specifically|correctly)(?: speaking| put)?"
    r"|strictly (?:speaking|taken)|in (?:fact|truth|reality)|in other words|that is(?: to say)?|put differently)\b"
    r"[,:]?\s+(?P<subject>[\w' -]{2,60}?)(?:'s|\s(?:is|are|was|were|has|have|shows?|says?|reads?))\s"
    r"(?P<value>(?:[^;:!?\n]|:(?=[0-9])){1,80})",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"(?:it|this|that|he|she|they|there|these|those|the answer)$", re.IGNORECASE)
_BECAUSE = re.compile(r"^\W*[^.;\n]{0,60}?[,;.)]?\s(?:because|since|as)\s(?P<reason>[^.;\n]{1,200})", re.IGNORECASE)
_CONTRASTED = re.compile(r",?\s(?:whereas|while|unlike|compared (?:to|with)|in contrast|than)\b", re.IGNORECASE)
_IT_IS = re.compile(r"\W*(?:it|this|that)(?:'s| is| must be| has to be)\s|\W*the \w+ one is\s", re.IGNORECASE)
_OUT = re.compile(
    r"\b(?:out|wrong|left|remains?|than|would|could|like|above|below|behind|beside|under|over|near|next to|from)\b",
    re.IGNORECASE,
)
"""Names an option to say where the other one is, or that it goes."""
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\s*\n\s*")
_AFTER_ALL = re.compile(r"\bafter all\W*$", re.IGNORECASE)
_IS_RIGHT = re.compile(r"选项\s{0,2}[(\[]?([A-J])[)\]]?\s?(?:是|为)?(?:正确|对)")
"""Names another option at the end, which may be beside a value that isn't its own."""
_NOT = re.compile(r"\bnot\b|n't\b", re.IGNORECASE)
_OFFERS_NONE = re.compile(
    r"\b(?:cannot|can't|none|not (?:enough|given|possible)|impossible|undetermined|insufficient)\b|无法|都不|没有",
    re.IGNORECASE,
)
_ASKS_WHAT_IS_NOT = re.compile(r"\b(?:not|except|incorrect|false|untrue|never)\b|n't\b", re.IGNORECASE)
_MAX_LAST = 2
"""Statements at the end of a response, where one may give up."""
_MAX_CHARS = 1000
_MIN_SHARED = 2
"""Words of the question in a sentence that answers it again."""


def is_left_open(text: str, shown: str | None, value: Any, kind: Kind, question: str) -> bool:
    """Whether a response offers another answer beside the one that was read.

    Args:
        text: tidy, without markup.
        shown: where the answer was read.
        value: the answer.
        kind: its kind.
        question: what was asked.
    """
    place = text.rfind(shown) if shown else 0
    before, tail = text[: max(0, place)][-_MAX_CHARS:], text[max(0, place) :][:_MAX_CHARS]
    if _UNDECIDED.search(tail) and not _UNDECIDED.search(question):
        return True
    later = _SENTENCE_END.split(tail)[1:]
    if any(_gives_up(said, question) for said in later[-_MAX_LAST:]):
        return True
    if isinstance(value, str) and kind.is_closed and {*_IS_RIGHT.findall(tail)} - {value}:
        return True
    if isinstance(value, bool) and any(_comes_to(not value, said, question) for said in later):
        return True
    if any(_replaces(change, value, kind, is_behind=change.end() > place) for change in _CHANGES.finditer(text)):
        return True
    if kind.is_closed and _is_listed(text, shown or ""):
        return True
    if any(_differs(value, other, kind) for other in _alternatives(tail, kind)):
        return True
    if any(_is_another(value, said, tail, kind, question) for said in later):
        return True
    return (
        kind.is_closed
        and not (kind.keeps_denials or kind.is_of_values)
        and _says_otherwise(before, tail, value, kind, question)
    )


def _is_listed(text: str, shown: str) -> bool:
    """Whether an answer, where it stands last, is one of many things that a list names, and not the last of them."""
    items = list(_ITEM.finditer(text))
    if len(items) < _MIN_ITEMS or any(len(item[1].split()) > _MAX_ITEM for item in items):
        return False
    place = text.rfind(shown.strip(" ."))
    return any(item[1] == shown.strip(" .") and item.start(1) == place for item in items[:-1])


def _gives_up(statement: str, question: str) -> bool:
    """Whether a statement says that no answer can be given, where the question offers no such one."""
    return _GIVES_UP.search(statement) is not None and not _OFFERS_NONE.search(question)


def _alternatives(tail: str, kind: Kind) -> Iterator[str]:
    """Texts of other answers: in brackets, and in later sentences that say what else may be so."""
    for bracket in _BRACKET.finditer(tail):
        inner = bracket[1]
        led = _OR_ELSE.match(inner)
        if led:
            yield inner[led.end() :]
        elif not kind.explains:
            if _IF_FIRST.match(inner):
                yield _IF_FIRST.sub("", inner)
            elif _IF.search(inner):
                yield _IF.sub("", inner)
    for statement in _SENTENCE_END.split(tail)[1:]:
        if (_NOT if kind.keeps_denials else NEGATION).search(statement):
            continue
        might = _MIGHT_BE.search(statement)
        if might and (might["also"] or kind.is_closed or any(map(str.isdigit, might["behind"]))):
            yield might["behind"]
        possible = _IS_POSSIBLE.match(statement)
        if possible:
            yield possible["before"]


def _differs(value: Any, text: str, kind: Kind) -> bool:
    """Whether a text is another value."""
    return any(other is not None for other in _values(text, kind)) and _is_not(value, text, kind)


def _is_not(value: Any, text: str, kind: Kind) -> bool:
    others = [other for other in _values(text, kind) if other is not None and other is not SEVERAL]
    return not any(kind.same(value, other) for other in others)


def _values(text: str, kind: Kind) -> list[Any]:
    """A text's value in each way to read it, with and without what goes on behind it."""
    forms = dict.fromkeys(form for part in (text, _ENDS.sub("", text)) for form in bare_forms(part.strip()))
    return [kind.whole(form) for form in forms]


def _is_another(value: Any, statement: str, text: str, kind: Kind, question: str) -> bool:
    """Whether a statement says more exactly of the same thing what it is, and that is another value."""
    exactly = _EXACTLY.match(statement)
    if exactly is None:
        return False
    shown = text[: text.find(statement)]
    is_same = _PRONOUN.match(exactly["subject"]) or f"{normal(exactly['subject'])} " in normal(shown)
    said = exactly["value"].strip(" .")
    shares = kind.explains and not NEGATION.search(said) and _new_words(said, question) & _new_words(shown, question)
    return bool(is_same) and not shares and _differs(value, said, kind)


def _replaces(change: re.Match[str], value: Any, kind: Kind, *, is_behind: bool) -> bool:
    """Whether another answer than the one that was read is put in its place."""
    behind = _SENTENCE_END.split(change["behind"])[0].strip(" .")
    if change["own"] or change["mine"]:
        return _is_not(value, behind, kind)
    return is_behind and _differs(value, behind, kind)


def _comes_to(is_so: bool, statement: str, question: str) -> bool:
    """Whether what was asked is so after all, or isn't."""
    if not _AFTER_ALL.search(statement) or len(stems(statement) & asked_stems(question)) < _MIN_SHARED:
        return False
    return (NEGATION.search(statement) is None) is is_so


def _new_words(text: str, question: str) -> set[str]:
    return set(normal(text).split()) - set(normal(question).split())


def _says_otherwise(before: str, tail: str, value: Any, kind: Kind, question: str) -> bool:
    """Whether the reason behind a letter, or what was concluded before it, is another option's text."""
    asked = stem_of(question)
    if _ASKS_WHAT_IS_NOT.search([asked, *LAST_QUESTION.findall(asked)][-1]):  # others are said to be so
        return False
    reason = _BECAUSE.match(tail)
    concluded = [_CONTRASTED.split(reason["reason"])[0]] if reason else []
    *_, lead, own = ["", "", *_SENTENCE_END.split(before)]
    ends = [match.end() for match in CONCLUSION.finditer(lead)]
    concluded += [lead[ends[-1] :]] if ends and ends[-1] < len(lead) else []
    concluded += [_IT_IS.sub("", lead)] if _IT_IS.match(lead) and kind.whole(_IT_IS.sub("", lead)) else []
    premise = CONCLUSION.search(own)
    if premise and all(stem(word) in KNOWN for word in _new_words(own[: premise.start()], question)):
        concluded.append(own[: premise.start()])
    for said in concluded:
        if normal(said) in normal(asked):
            continue
        if NEGATION.search(said) or HEDGE.search(said) or CORRECTION.search(said) or _OUT.search(said):
            continue
        other = kind.within(said)
        if other is not None and other is not SEVERAL and not kind.same(value, other):
            return True
    return False
