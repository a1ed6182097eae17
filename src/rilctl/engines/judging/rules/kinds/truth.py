"""The kind of a ground truth, and its value."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from rilctl.engines.judging.rules.kinds.address import AddressKind, is_address
from rilctl.engines.judging.rules.kinds.assignments import AssignmentsKind, read_assignments
from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.brackets import BracketsKind, is_brackets
from rilctl.engines.judging.rules.kinds.choice import ChoiceKind
from rilctl.engines.judging.rules.kinds.counted import is_none
from rilctl.engines.judging.rules.kinds.factor import FactorKind, read_factor
from rilctl.engines.judging.rules.kinds.formula import FormulaKind, is_formula
from rilctl.engines.judging.rules.kinds.intervals import IntervalKind, asks_interval
from rilctl.engines.judging.rules.kinds.items import Items, ItemsKind
from rilctl.engines.judging.rules.kinds.mathematics import in_round_brackets
from rilctl.engines.judging.rules.kinds.matrix import MatrixKind
from rilctl.engines.judging.rules.kinds.named import NamedKind, asked_by_name
from rilctl.engines.judging.rules.kinds.notations import with_sign_before
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.kinds.options import read_options, read_truth, stem_of
from rilctl.engines.judging.rules.kinds.quantity import Quantity, read_quantity
from rilctl.engines.judging.rules.kinds.ranges import DecadeKind, RangeKind, is_asked_range
from rilctl.engines.judging.rules.kinds.ratio import RatioKind, asks_ratio
from rilctl.engines.judging.rules.kinds.text import CodeKind, TextKind, is_code, text_value
from rilctl.engines.judging.rules.kinds.units import read_unit
from rilctl.engines.judging.rules.kinds.when import DateKind, TimeKind, is_month
from rilctl.engines.judging.rules.kinds.written_lists import solutions_of, split_items, spread
from rilctl.engines.judging.rules.kinds.yes_no import YesNoKind, truth_of
from rilctl.engines.judging.rules.read.plain import plain, tidy

MAX_CHARS = 10_000
_DECIMAL = re.compile(r"\W*[0-9]*\.[0-9]+\D*$")
_LONG_HAN = re.compile("[\u3400-\u9fff]{4}")
_MAX_ID = 8
_BRACKETS = {"()", "[]", "[)", "(]"}
_MATH = re.compile(
    r"[\\^√π∞≤≥=+*/]|\|[^|\s][^|]*\||\)\s?\(|[0-9][a-z]\b|[0-9]i\b|^[a-z] - [0-9]"
    r"|^[0-9]{1,4} - [0-9]{0,4}[a-z]$|^[a-z] - [a-z]$"
    r"|^[0-9]{1,3}(?!st|nd|rd|th|mm|cm|km|dm|nm|kg|mg|ml|dl|cl|pm|am|ft|in|lb|oz|hz|kb|mb|gb|kw|px|ms|ns|hr|yd|mi|pt|pc)"
    r"[a-z]{2}$"
)
_REGION_SIGNS = re.compile(r"[<>≤≥≠∞\[\](]|\\(?:[lg]eq?|lt|gt|neq?|infty|mathbb)\b|infinity|!=|reals?\b")
_PLAIN_PAIR = re.compile(r"\([^()\[\]∞]*\)|\[[^()\[\]∞]*\]")
"""May be a point or a list."""
_EITHER = re.compile(r"(?:,\s|:\s((?:[\w -]{2,40}?,\s){0,4}))([\w -]{2,40}?),? or ([\w -]{2,40}?)\?")
_ARTICLE = re.compile(r"(?:the|an?) ")
_VARIABLE = re.compile(r"([A-Za-z])\s?=")
_ASKS_DATE = re.compile(r"\b(?:dates?|when|months?|expir\w+|valid|due|until)\b", re.IGNORECASE)
_ASKS_TITLE = re.compile(r"\b(?:title|slogan|motto|headline|caption|heading|subject of the)\b", re.IGNORECASE)
"""Where `and` may stand inside of the one answer."""
_ASKS_SET = re.compile(
    r"\b(?:factors|divisors|roots|zero(?:e)?s|solutions|primes|multiples|elements|eigenvalues)\b", re.IGNORECASE
)
_ASKS_ORDER = re.compile(
    r"\b(?:inequalit\w+|interval\w*|order\w*|sort\w*|vectors?|range|domain)\b|[<>≤≥]", re.IGNORECASE
)
_ONE_TEXT = re.compile(
    r"^[0-9]{1,5}[a-zA-Z]?\s.*\b(?:street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|suite|square"
    r"|court|way)\b"
    r"\.?,\s"
    r"|^[0-9][0-9, ]*\s?:\s?[0-9]{1,3}(?:[, ][0-9]{3})+$"
    r"|\b(?:and|or) (?:over|older|above|under|younger|below|up|more|less)$"
    r"|^[0-9]{1,3}\s?\+$|^(?:the\s)?(?:(?:early|mid|late)[ -])?[12]?[0-9]?[0-9]0'?s$",
    re.IGNORECASE,
)
"""Addresses, scales, groups and decades, whose commas, `and`, `+` and `s` mean nothing else."""
_NUMBERED = re.compile(r"v?[0-9]{1,3}(?:\.[0-9]{1,3}){1,3}")
_ASKS_NUMBERED = re.compile(
    r"\b(?:versions?|release|revision|chapter|section|paragraph|clause|article)\b", re.IGNORECASE
)
"""Where 3.10 isn't 3.1."""
_UNIT = re.compile(
    r"\bunits?\s?[:=]\s?([^\s()\[\],.;]{1,20})"
    r"|\bin\s((?:square |cubic )?(?:(?:centi|milli|kilo)?(?:met(?:er|re)|gram)s?"
    r"|[ckm]?m|kg|feet|inches|miles|seconds|minutes|hours|days|degrees|lit(?:er|re)s)"
    r"(?:(?:/| per )(?:h|hour|s|second|min|minute))?)"
    r"(?![\w/])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Truth:
    """A ground truth as it is compared.

    Args:
        kind: how responses are read for it.
        value: as that kind reads it.
        text: plain.
    """

    kind: Kind
    value: Any
    text: str


@lru_cache(maxsize=4096)
def read_ground_truth(answer: str, question: str, tolerance: float) -> Truth | None:
    """The ground truth's kind and value; None where it is empty.

    Args:
        answer: one that is accepted.
        question: tidy; lists options, says in which unit and whether a year or a percentage is asked for.
        tolerance: see `NumberKind`.
    """
    tidied = tidy(answer[:MAX_CHARS]).strip()
    text = plain(tidied)
    if not text:
        return None
    kind, value = _typed(text, tidied, question, tolerance)
    return Truth(kind, value, text)


def _typed(text: str, tidied: str, question: str, tolerance: float) -> tuple[Kind, Any]:
    if is_brackets(tidied):
        return BracketsKind(), BracketsKind().whole(tidied)
    options = read_options(question)
    chosen = _choice(text, question, options)
    if chosen is not None:
        return chosen
    if len(text) > 1 and options.keys() >= set(text) and "".join(sorted(set(text))) == text:  # `AC`
        listed = ItemsKind(TextKind(""), "", len(text), question)
        return listed, Items(listed.values(list(text)), "")
    yes = truth_of(text)
    if yes is not None:
        return YesNoKind(question), yes
    if asks_ratio(question) and (ratio := RatioKind().whole(text)) is not None:
        return RatioKind(question), ratio
    if is_none(text, question) or with_sign_before(text, question) != text:
        counted = NumberKind(question, tolerance)
        if (number := counted.whole(text)) is not None:
            return counted, number
    if (factor := read_factor(text, question)) is not None:
        return FactorKind(question), factor
    if (named := asked_by_name(tidied, question)) is not None:
        return NamedKind(frozenset(named), question), named
    if "[[" in text or "&" in text:
        matrix = MatrixKind(question)
        if (rows := matrix.whole(tidied)) is not None:
            return matrix, rows
    for kind in (DateKind(question), TimeKind(question)):
        when = kind.whole(text)
        if _DECIMAL.match(text):
            break
        if when is not None and (not is_month(text) or _ASKS_DATE.search(question)):
            return kind, when
    if " and " in text and "," not in text and _ASKS_TITLE.search(question):
        return TextKind(question), text_value(text, question)
    if _ONE_TEXT.search(text) or (_NUMBERED.fullmatch(text) and _ASKS_NUMBERED.search(question)):
        return TextKind(question), text_value(text, question)
    decade = DecadeKind(question)
    if decade.whole(text) is not None:
        return decade, decade.whole(text)
    span = RangeKind().whole(text)
    if span is not None and is_asked_range(text, question):
        return RangeKind(question), span
    if is_address(text):
        return AddressKind(question), text.casefold()
    if is_code(text):
        return CodeKind(), CodeKind().whole(text)
    variable = _VARIABLE.match(text)
    number = NumberKind(question, tolerance, variable[1] if variable else "")
    if len(text) < _MAX_ID and number.asked.is_id(text):
        return TextKind(question), text_value(text, question)
    solved = _region(tidied, question) or _solved(tidied, question)
    if solved is not None:
        return solved
    bracketed = _bracketed(plain(in_round_brackets(tidied)).strip(" $"), number)
    if bracketed is not None:
        return bracketed
    quantity = read_quantity(text)
    if quantity is not None and len(quantity.unit.split()) <= 2 and not _LONG_HAN.search(quantity.unit):
        return number, _in_asked_unit(quantity, question)
    offered = _alternatives(question)
    either = ChoiceKind(offered, None, question)
    if offered and (alternative := either.whole(text)) is not None:
        return either, alternative
    return _structured(text, tidied, number) or (TextKind(question), text_value(text, question))


def _alternatives(question: str) -> dict[str, str]:
    """Those that a question like `Which is bigger, the hall or the shed?` names; letters that no one writes."""
    match = _EITHER.search(question)
    named = [*(match[1] or "").split(", "), match[2], match[3]] if match else []
    texts = [_ARTICLE.sub("", text.strip(), count=1) for text in named if text.strip()]
    return dict(zip("αβγδεζ", texts, strict=False))


def _region(text: str, question: str) -> tuple[Kind, Any] | None:
    """Inequalities of one unknown, and intervals that are no points."""
    kind = IntervalKind(question)
    value = kind.whole(text) if _REGION_SIGNS.search(text) else None
    if value is None or value is SEVERAL:
        return None
    is_plain = _PLAIN_PAIR.fullmatch(text.strip(" $")) is not None
    return (kind, value) if not is_plain or asks_interval(question) else None


def _solved(text: str, question: str) -> tuple[Kind, Any] | None:
    """A value for each of several unknowns."""
    if text.count("=") == 0:
        return None
    kind = AssignmentsKind(frozenset(read_assignments(text)), question)
    value = kind.whole(text) if len(read_assignments(text)) > 1 else None
    return None if value is None or value is SEVERAL else (kind, value)


def _bracketed(text: str, number: NumberKind) -> tuple[Kind, Any] | None:
    """Intervals, points and vectors."""
    brackets = text[:1] + text[-1:]
    inner = [part.strip() for part in re.split(r"[,;]", text[1:-1])]
    if brackets not in _BRACKETS or len(inner) < 2 or not all(inner) or not _is_one_group(text):
        return None
    of_items: Kind = number if all(number.whole(part) is not None for part in inner) else _math_or_text(inner)
    is_set = _ASKS_SET.search(number.question) is not None and not _ASKS_ORDER.search(number.question)
    if brackets == "[]" and (is_set or isinstance(of_items, TextKind)):
        return None
    kind = ItemsKind(of_items, brackets, len(inner), number.question)
    value = kind.whole(text)
    return None if value is None else (kind, value)


def _structured(text: str, tidied: str, number: NumberKind) -> tuple[Kind, Any] | None:
    """Lists and formulas."""
    if solutions := solutions_of(text):
        listed = ItemsKind(number, "", len(solutions), number.question, is_either=True)
        return listed, Items(listed.values(solutions), "")
    is_math = _MATH.search(tidied) is not None and is_formula(tidied.replace("$", ""))
    items = split_items(spread(text))
    if len(items) > 1 and (not is_math or not re.search(r"begin|≤|≥|<|>|∪|\\cup", tidied)):
        of_items: Kind = number if all(number.whole(item) is not None for item in items) else _math_or_text(items)
        listed = ItemsKind(of_items, "", len(items), number.question)
        return listed, Items(listed.values(items), "")
    if is_math:
        is_equation = re.search(r"[=<>≤≥]|\\(?:leq?|geq?|lt|gt|neq?)\b", tidied) is not None
        formula = FormulaKind(is_equation=is_equation, question=number.question)
        value = formula.whole(tidied)
        return None if value is None else (formula, value)
    return None


def _math_or_text(items: list[str]) -> Kind:
    is_math = all(is_formula(item) or item.replace("-", "").isalnum() for item in items) and any(
        map(_MATH.search, items)
    )
    return FormulaKind(is_equation=False) if is_math else TextKind("")


def _is_one_group(text: str) -> bool:
    return not any(character in "()[]" for character in text[1:-1])


def _choice(text: str, question: str, options: dict[str, str]) -> tuple[Kind, Any] | None:
    letter = read_truth(text)
    if letter is not None:
        if options and letter[0] not in options:
            return None
        if not options and letter[1] is None and letter[0] in "IJ":
            return None
        if not options and letter[1] is not None:
            options = {letter[0]: letter[1]}
        return _choice_kind(question, options), letter[0]
    if not options:
        return None
    kind = _choice_kind(question, options)
    value = kind.whole(text)
    return (kind, value) if value is not None else None


def _choice_kind(question: str, options: dict[str, str]) -> ChoiceKind:
    of_texts: Kind | None = None
    texts = [plain(text) for text in options.values()]
    stem = stem_of(question)
    if len(texts) > 1:
        if all(read_quantity(text) is not None for text in texts):
            of_texts = NumberKind(stem)
            if any(of_texts.whole(text) is None for text in texts):  # in the unit of another thing that the stem names
                of_texts = NumberKind("")
        elif all(truth_of(text) is not None for text in texts):
            of_texts = YesNoKind(question.partition("\n")[0])
    return ChoiceKind(options, of_texts, stem)


def _in_asked_unit(quantity: Quantity, question: str) -> Quantity:
    asked = _UNIT.search(question)
    unit = read_unit(asked[1] or asked[2]) if asked and not quantity.unit else None
    return replace(quantity, unit=unit) if unit else quantity
