"""Numbers, fractions, percents and quantities with a unit."""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from rilctl.engines.judging.rules.compare.formulas import same_formula
from rilctl.engines.judging.rules.compare.quantities import same_quantity
from rilctl.engines.judging.rules.kinds.asked_number import VERDICT, asked_number
from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.calculated import is_to_solve, latex_of, read_calculated, unknown_of_chain
from rilctl.engines.judging.rules.kinds.compound import span_of_compound
from rilctl.engines.judging.rules.kinds.counted import (
    affirms_denied,
    changes_otherwise,
    counts_another,
    is_none,
    is_of_another,
    names_one,
    without_asked_words,
)
from rilctl.engines.judging.rules.kinds.foreign import counts_other_in_han, foreign_count
from rilctl.engines.judging.rules.kinds.notations import read_remainder, with_sign_before
from rilctl.engines.judging.rules.kinds.numerals import NUMERAL, is_scientific
from rilctl.engines.judging.rules.kinds.portions import read_portion
from rilctl.engines.judging.rules.kinds.quantity import Quantity, read_quantity
from rilctl.engines.judging.rules.kinds.told_apart import (
    has_number,
    has_several_numbers,
    sole_year,
    whole_of_parts,
    without_beside,
    without_place,
    without_share,
)
from rilctl.engines.judging.rules.kinds.twice import without_again
from rilctl.engines.judging.rules.kinds.words import english_words
from rilctl.engines.judging.rules.read.accounted import is_accounted, takes_back
from rilctl.engines.judging.rules.read.clauses import asked_clause, asked_stems, has_clauses, stem, stems
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, NOW
from rilctl.engines.judging.rules.read.plain import plain

_PHRASE_END = re.compile(
    r"[.,;:!?()\"](?:\s|$)|\s(?:but|because|which|that|who|whom|so|in|on|at|from|with|for|as|is|are|was|were|than|of"
    r"|to(?= [a-z])|together|each|answer|including|incl\.?|\w+n't"
    r"|shown|wearing|visible|and(?! a (?:half|quarter|third)))\b",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"\b(?:in|of|since|by|for|during|from)\s(?:the year\s)?(?:1[5-9]|20)[0-9]{2}\b(?!\s?%)", re.IGNORECASE
)
_MARKUP = re.compile(r"[{}\[\]|<>\\\ufffd]")
_STARTS_THERE = re.compile(
    r"(?:there|here)\s+(?:is|are|were|was)\s+(?:only\s+|exactly\s+|a total of\s+)?", re.IGNORECASE
)


_COUNTS_PART = re.compile(r"\b(?:there|here|first|see|count|has|have)\b", re.IGNORECASE)
"""Before a number that may be one of several that add up."""
_VARIABLE = re.compile(r"[\s$]*([A-Za-z])\s?=")
_CHOSEN = re.compile(
    r"\W*(?:(?:so|thus|therefore|hence),? )?(?:the )?(?:correct )?(?:option|choice|answer|number) (?:is )?\(?([0-9])\)?"
    r"(?: is (?:the )?(?:correct|right|best)(?: (?:answer|option|choice|one))?)?\W*",
    re.IGNORECASE,
)
"""Of options that have numbers."""
_GETS = re.compile(
    r"\b(?:gets|has|is|are|pays|costs|weighs|needs|takes|was|receives|scores|sells|earns|makes"
    r"|measures)\s[0-9a-z]{1,4}\s*$"
)
"""Whose number an unknown stands for."""
_MINUS = re.compile(r"\b(?:minus|negative)\s$", re.IGNORECASE)
_LABELLED = re.compile(
    r"\b(figure|fig\.|step|version|option|question|table|example|case|part|section|exercise|problem|task|image"
    r"|line|item"
    r"|solution|answer|page|chapter|row|column|paragraph|equation|eq\.|note|footnote|ref\.)\s$",
    re.IGNORECASE,
)
"""Before a number that counts nothing."""
_SEVERAL_VALUES = re.compile(
    r"(?<![A-Za-z0-9\\])([a-z])\s?=\s?([^=,;]{1,30}?)\$?(?:,|;|,?\s(?:and|or))\s\$?\1\s?=\s?(?!\2\b)", re.IGNORECASE
)
"""An unknown with two values: `x = 1 and x = 3`."""
_UNDONE = re.compile(r"\W*[0-9.,]+(?:\s?[-+*]\s?[0-9.,]+)+\W*")
"""A calculation without its result."""
_WITH_UNKNOWN = re.compile(
    r"(?<![\w.'])(?:[0-9.]*[b-z]\s?[-+*/]\s?[0-9.]+|[0-9.]+\s?[-+*]\s?[0-9.]*[b-z]|[0-9.]+\s[-+*]\s?a)(?![\w'^])"
)
"""An expression, whose number alone it isn't: `x + 5`."""
_ASSIGNED = re.compile(r"(?:,|\band|\bor|:|\()?\s(?<![A-Za-z\\])([a-z])\s?=\s?-?[0-9][0-9./]*\)?")
"""The value of an unknown, beside how many it has."""
_SINCE = re.compile(r"\bsince (?=[12][0-9]{3}\b)", re.IGNORECASE)
_BARE_LIST = re.compile(r"\W*[0-9]+(?:\.[0-9]+)?(?:(?:,| and|, and|;) [0-9]+(?:\.[0-9]+)?){2,}\W*")
_OF_THEM = re.compile(
    r"^\W*of (?:the|these|those|all) [^,.;]{1,60}, (?=only (?!one\b|two\b|three\b)[a-z])", re.IGNORECASE
)
"""A whole, before some of it that are not counted."""
_MORE = re.compile(r"(?<=[0-9a-z]) (?:more|extra|additional)\b(?! than)", re.IGNORECASE)
_MAX_UNIT = 2
"""Words of what a number counts; more say something of it."""
_FUNCTION = re.compile(r"\b(?:log|ln|sin|cos|tan|exp|sqrt)\b|√|\^", re.IGNORECASE)


class NumberKind(Kind):
    """Numbers as answers.

    A value is a `Quantity`, or a `Formula` where it is a power, a root and so on.

    Args:
        question: its wording says whether a year or a percentage is asked for, and in thousands of what.
        tolerance: relative difference within which two numbers are equal.
        variable: the unknown that the ground truth names; another one's value is no answer.
    """

    name = "number"

    def __init__(self, question: str = "", tolerance: float = 0.0, variable: str = "") -> None:
        self._tolerance = tolerance
        self.asked = asked_number(question)
        self.question = question
        self.variable = variable or self.asked.unknown

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        variable = _VARIABLE.match(text)
        if variable and self.variable not in ("", variable[1]):
            return None
        if is_none(text, self.question):
            return Quantity(Fraction(0), "")
        if " than " in text and self.asked.compared(text) is None:
            return None
        text = with_sign_before(self.asked.without_after(text), self.question)
        remainder = read_remainder(text, self.question)
        if remainder is not None:
            return Quantity(remainder, "")
        chosen = _CHOSEN.fullmatch(text)
        if chosen and re.search(rf"^\(?{chosen[1]}[).:]\s", self.question, re.MULTILINE):
            return Quantity(Fraction(chosen[1]), "")
        if counts_other_in_han(text, self.question):
            return None
        if self.asked.is_id(text) or (variable and self.asked.counts(variable[1])):
            return None
        quantity = (
            read_portion(text, self.question) if self.asked.portion or " over " in text else None
        ) or read_quantity(text)
        if quantity is None and len(text) < 80:
            quantity = read_quantity(self.asked.without_echo(text))
        if isinstance(quantity, Quantity) and quantity.unit:
            is_long = len(quantity.unit.split()) > _MAX_UNIT
            if takes_back(quantity.unit) or is_of_another(quantity.unit, self.question):
                return None
            if not is_accounted(text, self.question, free=not is_long):
                return None
        return quantity if quantity is not None or "=" in text else read_calculated(text)

    def asked_part(self, statement: str) -> str:
        """See `Kind`."""
        if (
            "=" in statement
            or not has_clauses(statement)
            or not has_several_numbers(statement)
            or CONCLUSION.search(statement)
            or NOW.search(statement)
        ):
            return ""
        return asked_clause(statement, self.question, has_value=has_number)

    def is_bare(self, text: str) -> bool:
        """See `Kind`: an equation is a step, and two words behind a number are a remark."""
        return "=" not in text and len(text.split()) <= 4

    def is_bare_in(self, statement: str, form: str) -> bool:
        """See `Kind`."""
        lead = statement[: len(statement) - len(form)].casefold()
        return "=" not in lead and len(lead.split()) <= 4 and not _COUNTS_PART.search(lead)

    def same(self, one: Any, other: Any) -> bool:
        """See `Kind`."""
        return self.fits(one, other) or self.fits(other, one)

    def fits(self, truth: Any, given: Any) -> bool:
        """See `Kind`."""
        if isinstance(truth, Quantity) and isinstance(given, Quantity):
            if self.asked.scale > 1 and given.scale == self.asked.scale and truth.scale == 1:
                given = replace(given, value=given.value / given.scale, scale=1)
            if given.unit.partition("/")[0] == "cent" and truth.unit in ("dollar", "euro"):
                given = replace(given, value=given.value / 100, unit=given.unit.replace("cent", truth.unit, 1))
            per = given.unit.rpartition("/")
            if per[1] and per[0] == truth.unit and stem(per[2]) in stems(self.question):  # of what was asked per capita
                given = replace(given, unit=per[0])
            percent = self.asked.percent or (self.asked.rate and truth.value > 1)
            return same_quantity(truth, given, self._tolerance, percent=percent)
        return same_formula(latex_of(truth), latex_of(given))

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        text = without_again(without_asked_words(plain(sentence[-1000:]), self.question))
        if _BARE_LIST.fullmatch(text):
            return SEVERAL
        if " would have " in text and "would" not in self.question:
            return None
        text = _OF_THEM.sub("", text)
        if counts_other_in_han(text, self.question):
            return SEVERAL
        text = with_sign_before(text, self.question)
        compared = self.asked.compared(text) if " than " in text else text
        if compared is None:
            return SEVERAL
        text = self.asked.without_after(compared)
        if self.asked.more:
            text = _MORE.sub("", text)
        if not any(map(str.isdigit, text)) and not any(english_words(text)):
            count = foreign_count(text, self.question)
            return None if count is None else SEVERAL if is_doubted(text, "") else Quantity(count, "")
        if self.asked.year and (year := sole_year(text)) and not is_doubted(text, self.question, compared=True):
            return read_quantity(year)
        if counts_another(text, self.question) or affirms_denied(text, self.question) or self.asked.is_id(text):
            return SEVERAL
        if {word.casefold() for word in VERDICT.findall(text)} - self.asked.verdicts:
            return SEVERAL
        if self.asked.how_many and "=" in text:
            text = _ASSIGNED.sub(lambda match: "" if self.asked.counts(match[1]) else match[0], text)
        if not (self.asked.percent or self.asked.portion):
            text = without_share(text)
        text = without_place(text, self.question)
        if _UNDONE.fullmatch(text) or changes_otherwise(text, self.question):
            return SEVERAL
        text = without_beside(_SINCE.sub("in ", text) if self.asked.start else text, asks_year=self.asked.year)
        concluded = [match.end() for match in CONCLUSION.finditer(text)]
        parts = [text[end:] for end in reversed(concluded) if end] + [text]
        found = next((value for part in parts if (value := self._sole(part)) is not None), None)
        if (
            found is SEVERAL
            and not NOW.search(text)
            and (clause := asked_clause(text, self.question, has_value=has_number))
        ):
            return self._sole(clause) or found
        return found

    def _sole(self, text: str) -> Any:
        remainder = read_remainder(text, self.question)
        if remainder is not None:
            return Quantity(remainder, "")
        if is_doubted(text, self.question, compared=True):
            return SEVERAL if any(map(str.isdigit, text)) else None
        if _SEVERAL_VALUES.search(text):
            return SEVERAL
        if "=" in text:
            before, _, text = text.rpartition("=")
            text = text.rpartition(" ~ ")[2]
            before = unknown_of_chain(before)
            variable = _VARIABLE.search(f"{before.split()[-1] if before.split() else ''}=")
            if variable and self.variable not in ("", variable[1]):
                return None
            if is_to_solve(before, self.question) and not _GETS.search(before):
                return None
            quantity = read_quantity(text)
            found = read_calculated(text) if quantity is None else quantity
            if found is not None:
                return found
        if _WITH_UNKNOWN.search(text):
            return SEVERAL
        if _MARKUP.search(text) or _FUNCTION.search(text):
            return read_quantity(text) if is_scientific(text) else None
        there = _STARTS_THERE.match(text)
        if there and not re.search(r"\b(?:and|or)\b|,", text):
            first = read_quantity(_PHRASE_END.split(text[there.end() :], maxsplit=1)[0])
            if first is not None:
                return SEVERAL if is_of_another(first.unit, self.question) else first
        if not self.asked.year:
            text = _YEAR.sub("", text) if len(NUMERAL.findall(text)) > 1 else text
        return self._sole_quantity(text)

    def _sole_quantity(self, sentence: str) -> Any:
        """The one quantity that a sentence names; digits count before words, because "one" is often no number."""
        text = sentence.strip(" \t\n.!,;:")
        compound = span_of_compound(text)
        if compound is not None:
            return read_quantity(text[slice(*compound)])
        spans = [m.span() for m in NUMERAL.finditer(text) if not _inside_word(text, m.start())]
        unasked = [span for span in spans if text[slice(*span)] not in self.asked.numbers]
        spans = spans if unasked else list(english_words(text)) or spans
        found: list[Quantity | None] = []
        for place, (start, end) in enumerate(spans):
            until = spans[place + 1][0] if place + 1 < len(spans) else len(text)
            written = text[start:end]
            labelled = _LABELLED.search(text[:start])
            if labelled and labelled[1].casefold() not in self.question.casefold():
                continue
            if self.asked.how_many and names_one(text[:start], self.question):
                return SEVERAL
            while start and text[start - 1] in "-+$€£¥₹":
                start -= 1
            minus = _MINUS.search(text[:start])
            start = minus.start() if minus else start
            found.append(read_quantity(text[start:end] + _PHRASE_END.split(text[end:until], maxsplit=1)[0]))
            if written in self.asked.numbers and len(spans) > 1:  # what the question says is no answer beside another
                found.pop()
        if not found:
            return None
        if any(each is not None and is_of_another(each.unit, self.question) for each in found[:1]) and len(found) == 1:
            return SEVERAL
        first = found[0]
        if first is not None and all(each is not None and each.value == first.value for each in found):
            return first
        read = [each for each in found if each is not None]
        if len(read) < len(found):
            return SEVERAL
        of_asked = self._of_asked(read) if spans[0][0] else None
        return whole_of_parts(read) or of_asked or SEVERAL

    def _of_asked(self, found: list[Quantity]) -> Quantity | None:
        """The one quantity of what was asked, beside others of something else: `12 m long and 5 m wide`."""
        asked = asked_stems(self.question)
        fitting = [each for each in found if stems(each.unit.partition("/")[0]) & asked]
        return fitting[0] if len(fitting) == 1 and all(each.unit for each in found) else None


def _inside_word(sentence: str, start: int) -> bool:
    return start > 0 and sentence[start - 1].isascii() and (sentence[start - 1].isalnum() or sentence[start - 1] == "_")
