"""Yes or no, true or false, in the languages that models answer in.

`no` in front of a noun is no answer (`no doubt`, `No one knows`); a word counts where an answer stands: at the start,
at the end after a comma or a conclusion, or behind `is`.
"""

import re
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.restated import has_opposite, restated
from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION
from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, GOES_ON_HEDGED, HEDGE, NEGATION, NUMBER_WORDS
from rilctl.engines.judging.rules.read.plain import plain

_YES = "yes|yeah|yep|yup|true|oui|vrai|ja|wahr|sí|sì|si|sim|да|是|是的|对|正确|はい|네|예"
_NO = "no|nope|false|non|faux|nein|falsch|não|nao|нет|否|不是|不|没有|错误|いいえ|아니요"
_CASED = dict.fromkeys(_YES.split("|"), True) | dict.fromkeys(_NO.split("|"), False)
_ANY = re.compile(rf"(?<![\w'-])(?:{_YES}|{_NO})(?![\w'-])", re.IGNORECASE)
_ALONE = re.compile(
    rf"(?:(?:of course|absolutely|definitely|certainly|clearly|indeed|well|oh|so|thus|therefore|hence|then|surely"
    rf"|obviously|in conclusion|overall|wait|actually)\b,?\s+)*({_YES}|{_NO})"
    rf"(?:[,!.\s]+(?:of course|absolutely|definitely|certainly|indeed|it is|it does|there is|they are|they do))?\W*",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(rf"not ({_YES}|{_NO}),? but ({_YES}|{_NO})\W*", re.IGNORECASE)
_AFFIRMS = re.compile(r"\b(?:(?:it|there) (?:is|does)|they (?:are|do))\b", re.IGNORECASE)
_FIRST = re.compile(
    rf"\W*({_YES}|{_NO})(?=\s*[,;:!()]|\s*\.(?!\s*[0-9])|\s+-\s|\s*\n|\W*$"
    r"|\s+(?:it|he|she|they|there|this|that|the|i|we|you)\b)",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?:[,;:]\s*|\b(?:so|thus|therefore|hence|is|be|was|(?:i|i would|i'd) say|answer|conclude|course)[,:]?\s+['\"]?)"
    rf"({_YES}|{_NO})['\")]?\W*$",
    re.IGNORECASE,
)
_SO = re.compile(rf"(?:\b(?:so|thus|therefore|hence),?|:)\s({_YES}|{_NO})(?=,\s)", re.IGNORECASE)
_STATED = re.compile(r"\b(?:statement|claim|sentence|it|this|that|answer)\s+is\s+(true|false)\W*$", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|wrong|incorrect|unless|if)\b|n't\b)[^,;.]{0,40}\W$", re.IGNORECASE
)
_VERDICT = re.compile(r"\b(?:verdict|scored?|grade|rating|reward|judge?ment|is_right|correct)\b", re.IGNORECASE)
_POINTING = frozenset({
    "it", "is", "he", "she", "they", "there", "this", "that", "the", "are", "does", "do", "was", "were", "can", "has",
    "isn", "aren", "doesn", "don", "wasn", "t", "s", "re", "m", "ve",
    "ca", "sie", "er", "es", "ist", "il", "elle", "est", "está", "é", "è",
})  # fmt: skip
"""Words that answer again what a yes or no has answered."""
_WHERE = frozenset({"according", "based", "in", "on", "at", "from", "as", "per", "by", "with", "of", "for"})
_SAID_AGAIN = _POINTING | _WHERE | {"than"}
"""Words of a clause that says again what was asked."""
_VERBS = frozenset({
    "it", "is", "isn", "are", "aren", "was", "were", "he", "she", "they", "there", "has", "have", "had", "does", "do",
    "did", "can", "will", "shows", "show",
})  # fmt: skip
_NOUN = re.compile(
    r"\s+(?!(?:for|to|in|on|at|if|when|with|it|is|but|and|or|as|because|since|from|by|only|not|to|about|after"
    r"|before)\b)[^\W\d_]",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_ASKS_ALL = re.compile(r"\W*(?:are|is|do|does|have|has|were|did) (?:all|every)\b", re.IGNORECASE)
_NOT_ALL = re.compile(
    r"(?:^|\b(?:so|thus|hence|therefore),? )\W*not (?:all|every\w*)(?: of (?:them|these|those|the \w+)| \w+)?"
    r"(?: (?:are|is|do|does|have|has|were|did))?\W*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.,;](?![0-9])|[!?\n]|\s-+\s|(?<=\w)\)|\((?![^()]*[0-9])")
_MORE = re.compile(
    r"\W*not (?:just |only )?(?:an?|one|1)\b[^.;:,]{0,40}(?:[:;,-]|\bbut\b)[\s-]*(?:there are )?(?:[2-9]|[1-9][0-9]|"
    + "|".join(NUMBER_WORDS.split("|")[2:])
    + r"|several|many)\b",
    re.IGNORECASE,
)
"""After a no: there are more than one, `not one person: two`."""
_REVERSED = re.compile(
    r"^\W*(?:but|however|except|although|though|well|actually)\b.{0,20}\b(?:no|yes|not)\b", re.IGNORECASE
)


def truth_of(text: str) -> bool | None:
    """What a ground truth says, None where it is another kind."""
    return _CASED.get(text.strip().rstrip(".!").casefold())


class YesNoKind(Kind):
    """Yes or no as an answer.

    Args:
        question: `Yes, it is not open` contradicts itself where it asks whether something is open.
    """

    name = "yes or no"
    is_closed = True
    keeps_denials = True

    def __init__(self, question: str = "") -> None:
        self._question = question
        self._asked = asked_words(question)
        self._asks_all = _ASKS_ALL.match(question) is not None
        self._denies = NEGATION.search(question.partition("?")[0]) is not None

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        if text.rstrip().endswith("?"):
            return None
        if denied := _NOT_BUT.fullmatch(text.strip()):
            value = _CASED[denied[2].casefold()]
            return value if value is not _CASED[denied[1].casefold()] else None
        match = _ALONE.fullmatch(plain(text).strip(" \"'*_()[]{}<>"))
        if match is None:
            return None
        value = _CASED[match[1].casefold()]
        return value if value or not _AFFIRMS.search(text) else None

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = plain(sentence)
        mentions = list(_ANY.finditer(text))
        if not mentions or (len(mentions) == 1 and _before_noun(text, mentions[0])):
            again = False if self._asks_all and _NOT_ALL.search(text) else self._restated(text)
            if again is not None or not mentions:
                return again
        first = _FIRST.match(text)
        if first:
            return self._leading(first, text)
        if not text[: mentions[0].start()].strip(" \"'("):  # `No one knows`, `No. 5`
            return SEVERAL if len(mentions) == 1 else self._trailing(text, mentions)
        return self._trailing(text, mentions)

    def is_led(self, statement: str) -> bool:
        """See `Kind`."""
        text = plain(statement)
        return _FIRST.match(text) is not None or self._restated(text) is not None

    def _restated(self, text: str) -> bool | None:
        """What a text, or what it concludes with, says in the question's words: `…, so it isn't`."""
        ends = [match.end() for match in CONCLUSION.finditer(text)]
        concluded = restated(text[ends[-1] :], self._question) if ends else None
        if concluded and (NEGATION.search(text[: ends[-1]]) or has_opposite(text, self._question)):
            return None
        return restated(text, self._question) if concluded is None else concluded

    def _trailing(self, text: str, mentions: list[re.Match[str]]) -> Any:
        last, stated = _LAST.search(text), _STATED.search(text)
        found = last or stated or _SO.search(text)
        if found is None:
            said = {_CASED[each[0].casefold()] for each in mentions if not _before_noun(text, each)}
            return SEVERAL if len(said) > 1 else None
        if (
            _VERDICT.search(text[: found.start(1)])
            or _DENIED.search(text[: found.start(1)])
            or HEDGE.search(text[: found.start(1)])
        ):
            return None
        value = _CASED[found[1].casefold()]
        others = {_CASED[each[0].casefold()] for each in mentions if each.start() < found.start(1)} - {value}
        return SEVERAL if others and not _is_quantifier(text, mentions, found.start(1)) else value

    def _is_reversed(self, value: bool, rest: str) -> bool:
        """Whether what follows denies a yes, or affirms a no, in the question's own words."""
        parts = [part for part in _CLAUSE.split(rest) if part.strip()]
        clause = next((part for part in parts if not _is_where(part)), next(iter(parts), ""))
        if self._is_turned_round(clause):
            return False
        words = {word.casefold() for word in _WORD.findall(clause)}
        denies = NEGATION.search(clause) is not None
        said_again = words and all(
            word in self._asked or word in _SAID_AGAIN or NEGATION.fullmatch(word) for word in words
        )
        return bool(said_again) and denies is value

    def _is_turned_round(self, clause: str) -> bool:
        """Whether a clause speaks first of what the question compares something with: then it affirms a no."""
        asked = [self._question, *LAST_QUESTION.findall(self._question)][-1]
        first, _, second = asked.rpartition(" than ")
        one, other = _things(first.rpartition(" ")[0]), _things(second)
        said = _things(clause.partition(" than ")[0])
        return bool(one - other) and not said.isdisjoint(other - one) and said.isdisjoint(one - other)

    def _leading(self, first: re.Match[str], text: str) -> Any:
        value, rest = _CASED[first[1].casefold()], text[first.end() :]
        if (
            (not self._denies and self._is_reversed(value, rest))
            or GOES_ON_HEDGED.match(rest)
            or (not value and _MORE.match(rest))
            or _REVERSED.match(rest.lstrip(" ,.;-"))
        ):
            return SEVERAL
        for other in _ANY.finditer(rest):
            if _CASED[other[0].casefold()] is not value and not _before_noun(rest, other):
                return SEVERAL
        return SEVERAL if rest.rstrip().endswith("?") or re.match(r"\W*(?:or|and|/)\b", rest) else value


def _things(text: str) -> set[str]:
    """The words of what is spoken of."""
    return {word.casefold() for word in _WORD.findall(text)} - _POINTING - _WHERE


def _is_where(part: str) -> bool:
    """Whether a part of a sentence only says where, when or by what something is so."""
    words = [word.casefold() for word in _WORD.findall(part)]
    return bool(words) and words[0] in _WHERE and _VERBS.isdisjoint(words)


def _before_noun(text: str, word: re.Match[str]) -> bool:
    """`no` as in `there is no doubt`, `true` as in `the true colour`."""
    return _NOUN.match(text[word.end() :]) is not None


def _is_quantifier(text: str, mentions: list[re.Match[str]], end: int) -> bool:
    return all(_before_noun(text, each) for each in mentions if each.start() < end)
