"""Lists: sets without an order, and what stands in brackets, whose brackets and order count."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.mathematics import in_round_brackets
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.kinds.quantity import read_quantity
from rilctl.engines.judging.rules.kinds.written_lists import SOLUTION, solutions_of, split_items, spread
from rilctl.engines.judging.rules.read.accounted import is_accounted
from rilctl.engines.judging.rules.read.concessions import UNSAYS
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.echo import without_echo
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, HEDGE, NEGATION
from rilctl.engines.judging.rules.read.plain import normal, plain
from rilctl.engines.judging.rules.read.statements import bare_forms, without_asked_negation

MAX_ITEMS = 1000
_BRACKETED = re.compile(r"([(\[])(.{1,400})([)\]])", re.DOTALL)
_CALCULATED = re.compile(r"[)\]]\s?=\s?([(\[][^()\[\]=]{1,200}[)\]])$")
_FACTOR = r"\(?-?[0-9]{1,6}(?:\.[0-9]{1,6})?(?:/[0-9]{1,6})?\)?"
_SCALED = re.compile(rf"({_FACTOR}|-)\s?\*?\s?\(([^()\[\]]{{1,200}})\)")
"""A vector times a number: `1/7(6, -2, 3)`."""
_IN_SENTENCE = re.compile(rf"(?:(?<![\w.,)/])(?:{_FACTOR}|-)(?:\s?\*\s?)?)?[(\[][^()\[\]]{{1,200}}[)\]]")
_WORKED_WITH_BEFORE = re.compile(r"(?:[-+*/^|√\\{}]|(?<![A-Za-z])[a-z]|\\[A-Za-z]+|[0-9)])$")
_WORKED_WITH_BEHIND = re.compile(r"[\s$]*(?:[-+*/^|=}]\s?(?!\s[A-Za-z])|(?:times|multiplied|divided)\b)")
"""What makes something else of the brackets beside it."""
_ASKS_SORTED = re.compile(
    r"^\W*(?:order|sort|arrange|rank|put|list)\b[^?]*\bfrom\b[^?]*\bto\b"
    r"|\b(?:in|what)(?: (?!any|no)\w+){0,2} order\b(?! to\b)",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[A-J]{2,8}")
_SIDES = re.compile(
    r"\b(?:above|below|over|under|before|after|less|more|fewer|outside|inside|except|without|other|\w{3,}est"
    r"|most|least)\b",
    re.IGNORECASE,
)
"""Words of a heading that tell which ones are listed."""
_OTHERS = re.compile(
    r";\s(?!.*\b(?:also|too|as well)\b)[^;]{1,40}\b(?:only|not|close|just|below|under|fewer|less"
    r"|missed)\b[^;]*$|;\s[^;]*n't\b[^;]*$",
    re.IGNORECASE,
)
"""What is said of something that doesn't belong to a list, behind it."""
_ASKS_LIST = re.compile(r"\blists?\b", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(r"[.!?]\$?\s+[A-Z][a-z]+\s")
_CLAUSE = re.compile(r"(?:so|because|but|though|although|since|while|whereas)\b", re.IGNORECASE)
"""Begins a clause, and no item."""
_ASIDE = re.compile(r"(?<=[\w)])\s\([^()]{3,80}\)\.?$")
_ENDS = ("low", "high")
_BETWEEN = re.compile(r"([^<>≤≥=,;]{1,30}?)\s?(<=?|≤)\s?[a-zθ]\s?(<=?|≤)\s?([^<>≤≥=,;]{1,30})")
_ASSIGNED = re.compile(r"([a-z])\s?=\s?(-?[0-9][^=]{0,20}|-?[a-z0-9√/]{1,20})")
_DEFINED_SET = re.compile(r"=\s?(\{[^{}=]{1,200}\})$")
_BOTH = re.compile(r"\bboth\s(?=.* and )", re.IGNORECASE)
_SHARED = re.compile(
    r"(?<= )(?<=\w )(?:both|all|each) (?=(?:have|has|are|show|reach|stand|were|had)\b).*$|\s(?:have"
    r"|had) (?=\$?[0-9][\d.,%]*\W*$).*$",
    re.IGNORECASE,
)
"""What all items of a list have."""
_PREPOSITION_AGAIN = re.compile(r"\b(in|on|at|from|by|to|for|with) (?=[^,;]{1,60}(?:,|;|,? and) (?:and )?\1 )")
"""Before each item: `in English and in Finnish`."""
_NAME = re.compile(r"(?<![A-Za-z\\])([A-Za-z])(?:_?\{?[0-9]\}?)?\s?=")
_OR = re.compile(r",? or ")
_EITHER_NUMBER = re.compile(r"-?[0-9][0-9./]*,? or -?[0-9][0-9./]*\W*")
_ASKS_WHICH = re.compile(r"\b[Ww]hich (?:two |three |four )?(?:of the )?(?:\w+ )?(\w{3,})s\b")
_LETTERED = re.compile(
    r"\W*(?:(?:only|the|options?|statements?|answers?|choices?)\s){0,2}(\(?[A-J]\)?(?:(?:,|,? and|,?"
    r" &)\s\(?[A-J]\)?)+)\s(?:are|is|apply|hold|were)\b"
    r"(?!\s(?:not|in|wrong|false))"
)
"""Letters that a sentence begins with."""
_NOT_A_LIST = re.compile(r"\b(?:not|none|neither|no|except|without|or|either|maybe|perhaps)\b|n't\b", re.IGNORECASE)


@dataclass(frozen=True)
class Items:
    """A written list.

    Args:
        values: its items, as their kind reads them.
        brackets: `[)` and so on where it has an order; empty where it is a set.
    """

    values: tuple[Any, ...]
    brackets: str


class ItemsKind(Kind):
    """Lists as answers.

    Args:
        of_items: reads and compares one item.
        brackets: those of the ground truth where order counts, else empty.
        num_items: of the ground truth.
        question: its words, repeated around a list, are no part of it.
        is_either: of solutions, which `or` joins as well.
    """

    name = "list"
    many_lines = True
    explains = True

    def __init__(
        self, of_items: Kind, brackets: str, num_items: int, question: str = "", *, is_either: bool = False
    ) -> None:
        self._is_either = is_either
        self._question = question
        self._of_items, self._brackets, self._num_items = of_items, brackets, num_items
        self.joins = not brackets
        self._variable = of_items.variable if isinstance(of_items, NumberKind) else ""
        self._is_sorted = not brackets and _ASKS_SORTED.search(question) is not None

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        if self._brackets:
            return self._bracketed(plain(in_round_brackets(text)).strip().rstrip(".,;"))
        if len(text) > 4000 or text.rstrip().endswith("?") or UNSAYS.search(text):
            return None
        if not self._of_items.explains and _NEXT_SENTENCE.search(text):
            return None
        found = [self._set(form) for form in self._forms(text)]
        return next((each for each in found if each is not None), None)

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        if not self._brackets:
            return None
        text = plain(in_round_brackets(sentence[-1000:]))
        found = [match for match in _IN_SENTENCE.finditer(text) if not _is_worked_with(text, *match.span())]
        spans = [span for match in found if (span := self._bracketed(match[0])) is not None]
        if not spans:
            return None
        outside = _IN_SENTENCE.sub(" ", text)
        if NEGATION.search(outside) or HEDGE.search(outside) or any(not self.same(spans[0], other) for other in spans):
            return SEVERAL
        return spans[0]

    def is_bare_in(self, statement: str, form: str) -> bool:
        """See `Kind`."""
        return False

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return self.fits(one, other)

    def fits(self, truth: Any, given: Any) -> bool:
        """See `Kind`."""
        if truth.brackets != given.brackets and "" not in (truth.brackets, given.brackets):
            return False
        if truth.brackets or given.brackets:
            return len(truth.values) == len(given.values) and all(map(self._same_item, truth.values, given.values))
        if self._is_sorted:
            return len(truth.values) == len(given.values) and all(map(self._same_item, truth.values, given.values))
        return self._same_set(list(truth.values), list(given.values))

    def _same_item(self, one: Any, other: Any) -> bool:
        if isinstance(one, str) or isinstance(other, str):
            return isinstance(one, str) and isinstance(other, str) and one == other
        return self._of_items.fits(one, other)

    def _same_set(self, wanted: list[Any], given: list[Any]) -> bool:
        """Repetition counts only where the ground truth repeats itself."""
        if len(set(map(str, wanted))) == len(wanted):
            given = list({str(value): value for value in given}.values())
        if len(wanted) != len(given) or len(wanted) > MAX_ITEMS:
            return False
        for value in wanted:
            place = next((i for i, other in enumerate(given) if self._same_item(value, other)), None)
            if place is None:
                return False
            given.pop(place)
        return True

    def _bracketed(self, text: str) -> Items | None:
        calculated = _CALCULATED.search(text)
        if calculated:
            return self._bracketed(calculated[1])
        scaled = _SCALED.fullmatch(text)
        if scaled:
            factor = read_quantity("-1" if scaled[1] == "-" else scaled[1])
            return self._scaled(factor.value, split_items(scaled[2])) if factor else None
        match = _BRACKETED.fullmatch(text)
        written = None if match else self._written_out(text)
        if written is not None:
            return written
        if match is None:
            if (
                self._brackets != "[]"
                or not _ASKS_LIST.search(self._question)
                or any(bracket in text for bracket in "()[]{}")
                or _NOT_A_LIST.search(text)
            ):
                return None
            items = split_items(text)  # `[1.2, 3.4]` may be written without its brackets
            return Items(self.values(items), "") if len(items) == self._num_items and len(items) > 1 else None
        items = [part.strip() for part in re.split(r"[,;]", match[2])]
        return Items(self.values(items), match[1] + match[3]) if len(items) > 1 and all(items) else None

    def _scaled(self, factor: Fraction, items: list[str]) -> Items | None:
        """A vector's parts, each times a number."""
        parts = [read_quantity(item) for item in items]
        if len(parts) < len(_ENDS) or any(part is None or part.unit for part in parts):
            return None
        return Items(self.values([str(factor * part.value) for part in parts if part is not None]), "()")

    def _written_out(self, text: str) -> Items | None:
        """An interval as `-2 < x ≤ 3`, a point as `x = 5, y = 2`."""
        between = _BETWEEN.fullmatch(text)
        if between and self._num_items == len(_ENDS):
            brackets = f"{'[' if between[2] != '<' else '('}{']' if between[3] != '<' else ')'}"
            return Items(self.values([between[1], between[4]]), brackets)
        named = [_ASSIGNED.fullmatch(part.strip()) for part in re.split(r",? and |[,;]\s?", text)]
        found = {match[1]: match[2] for match in named if match}
        if self._brackets != "()" or not len(named) == len(found) == self._num_items or len(found) < len(_ENDS):
            return None
        return Items(self.values([found[name] for name in sorted(found)]), "()")

    def _forms(self, text: str) -> list[str]:
        """A text, and its single sentence without what leads into the list."""
        if "\n" in text.strip():
            return [self._without_heading(text)]
        text = _OTHERS.sub("", text) if " and " in text.partition(";")[0] else text
        text = _BOTH.sub("", without_asked_negation(_ASIDE.sub("", text), self._question))
        shared = _SHARED.search(text)
        if shared and not is_doubted(text[shared.start() :], self._question):
            text = text[: shared.start()]
        again = _PREPOSITION_AGAIN.search(text)
        if again and is_accounted(text[: again.start()], self._question) and not is_doubted(text, self._question):
            text = text[again.start() :].replace(f"{again[1]} ", "")
        lettered = _LETTERED.match(text)
        if lettered:
            return [lettered[1]]
        ends = [match.end() for match in CONCLUSION.finditer(text) if match.start()]
        concluded = [form for end in ends for form in reversed(self._own(text[end:]))][::-1]
        found = [*reversed(concluded), *reversed(self._own(text))]
        doubted = is_doubted(text, self._question)
        return found if doubted else [*(each for form in found for each in without_echo(form, self._question)), *found]

    def _without_heading(self, text: str) -> str:
        """Lines without the first one, which says that a list follows."""
        heading, _, lines = text.strip().partition("\n")
        if _SIDES.search(heading) and set(map(str.casefold, _SIDES.findall(heading))) - set(
            map(str.casefold, _SIDES.findall(self._question))
        ):
            return text
        is_heading = heading.rstrip("* ").endswith(":") and "\n" in lines.strip()
        if not is_heading or is_doubted(heading, self._question) or not is_accounted(heading, self._question):
            return text
        return lines.strip()

    def _own(self, text: str) -> list[str]:
        return [form for form in bare_forms(text) if is_accounted(text.removesuffix(form), self._question)]

    def _set(self, text: str) -> Items | None:
        text = plain(text).strip().rstrip(".").strip()
        if "=" in text and self._variable and set(_NAME.findall(text)) - {self._variable}:
            return None
        text = spread(text)
        solutions = solutions_of(text)
        if solutions:
            text = ", ".join(solutions)
        elif self._is_either and _EITHER_NUMBER.fullmatch(text):
            text = _OR.sub(", ", text)
        elif _NOT_A_LIST.search(text):
            return None
        defined = _DEFINED_SET.search(text)
        text = defined[1] if defined else SOLUTION.sub("", text, count=1)
        if _BRACKETED.fullmatch(text) and text[0] + text[-1] != "[]" and not any(c in "()[]" for c in text[1:-1]):
            text = "" if "," in text else text
        items = [part for item in split_items(text) for part in split_items(spread(item))]
        if any(map(_CLAUSE.match, items[1:])):
            return None
        if (
            len(items) == 1
            and self._num_items > 1
            and len(items[0].split()) == self._num_items
            and all(any(map(str.isdigit, word)) for word in items[0].split())
        ):
            items = items[0].split()
        if len(items) == 1 < self._num_items == len(items[0]) and _LETTERS.fullmatch(items[0]):
            items = list(items[0])
        return Items(self.values(items), "") if len(items) > 1 or (len(items) == 1 and self._num_items == 1) else None

    def _shared_word(self) -> re.Pattern[str] | None:
        return _named_by(self._question) if "hich" in self._question else None

    def values(self, items: list[str]) -> tuple[Any, ...]:
        """Items as their kind reads them, as normal text where it can't."""
        shared = self._shared_word()
        items = [shared.sub("", item, count=1) or item for item in items] if shared else items
        read = [self._of_items.whole(item) for item in items]
        return tuple(normal(plain(item)) if value is None else value for item, value in zip(items, read, strict=True))


def _is_worked_with(text: str, start: int, end: int) -> bool:
    """Whether brackets in a text are only a part of a calculation."""
    while start and text[start - 1] == "(" and text[end : end + 1] == ")":  # of a fraction's upper side
        start, end = start - 1, end + 1
    return bool(_WORKED_WITH_BEFORE.search(text[:start]) or _WORKED_WITH_BEHIND.match(text[end:]))


@lru_cache(maxsize=1024)
def _named_by(question: str) -> re.Pattern[str] | None:
    """What the question calls all items, before their numbers or letters: `angle 2`."""
    match = _ASKS_WHICH.search(question)
    return re.compile(rf"^\W*{match[1].casefold()}s?\s(?=[0-9A-Z]{{1,3}}\W*$)", re.IGNORECASE) if match else None
