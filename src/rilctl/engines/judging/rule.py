"""The rule judge: a response is right if its final answer equals the ground truth.

The ground truth decides how they are compared: as an option's letter, as yes or no, as a number, as a list, as text.
Nothing is guessed: a response without a readable final answer, or with several, is wrong; a row without a ground truth
gets no verdict.
"""

import re
from collections.abc import Callable, Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.choices import num_labels, read_choice, read_options, sole_choice, written_choice
from rilctl.engines.judging.final import MAX_CHARS, FinalAnswer, find_final_answer, is_negated
from rilctl.engines.judging.numbers import Quantity, read_quantity, same_quantity, sole_quantity
from rilctl.engines.judging.text import clean, normalise, split_items
from rilctl.schemas.answers import accepted_answers

_VERSION = 1
"""Raised when the same response could get another verdict."""

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_SAYS_YES_NO = re.compile(
    r"[\s\"'(]*(yes|no|true|false)\b(?![-'])(?![\s/,.;:&|]*(?:or|and)?[\s/]*(?:yes|no|true|false)\b)", re.I
)
_COMPARISON = re.compile(
    r"[<>≤≥≠]|!=|\b(?:(?:more|less|fewer|greater|higher|lower|other) than|at (?:least|most)|up to|between|either"
    r"|(?:over|under|above|below) [0-9])\b",
    re.IGNORECASE,
)
_VERDICT_WORD = re.compile(
    r"\b(?:verdict|scor(?:e|ed|es)|grad(?:e|ed)|rat(?:ed|ing)|reward|judge?ment|points?|marks?"
    r"|correct(?:ness)?(?! (?:answer|option|choice|result|value|number|count|total|sum)))\b",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"[0-9=+*/^:]")
_MARKUP = re.compile(r"[{}\[\]|<>]")
_BRACKETS_AND_COMMAS_COUNT = ("list", "interval")
_MAX_PREDICTION_CHARS = 200
_MAX_ITEMS = 1000

_Match = Callable[[str, bool], bool | None]
"""(reading, whether it is prose) -> same as the ground truth, or None where nothing comparable can be read."""


class RuleJudge:
    """A `JudgeEngine` that costs nothing and never fails.

    Args:
        config: the `[judge]` table.
    """

    def __init__(self, config: RuleJudgeConfig) -> None:
        self._tolerance = config.numeric_tolerance
        self.rows_at_once = 256

    @property
    def name(self) -> str:
        """Identity of the rules and their settings."""
        return f"rule-{_VERSION}(numeric_tolerance={self._tolerance:g})"

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order."""
        return [judge_answer(r.answer, r.response, question=r.question, tolerance=self._tolerance) for r in requests]

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        return []

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`."""
        return {}

    def close(self) -> None:
        """See `JudgeEngine`."""


def judge_answer(answer: str, response: str, *, question: str = "", tolerance: float = 0.0) -> Verdict:
    """Compare a response's final answer with the ground truth; with each accepted answer where there are several.

    Args:
        answer: the ground truth; empty means no verdict.
        response: any text.
        question: lets `B` stand for its option's text, and keeps a repeated question from passing for an answer.
        tolerance: relative difference within which two numbers are equal; 0 compares exactly.
    """
    accepted = accepted_answers(answer)
    verdicts = (_compare(each, response, question, tolerance) for each in accepted)
    first = next(verdicts)
    return first if first.correct else next((verdict for verdict in verdicts if verdict.correct), first)


def _compare(answer: str, response: str, question: str, tolerance: float) -> Verdict:
    truth = clean(answer[:MAX_CHARS]).strip()
    if not truth:
        return Verdict(None, None, "no ground truth")
    text = clean(response.strip()[-MAX_CHARS:]).strip()
    if not text:
        return Verdict(False, None, "empty response")
    options = read_options(clean(question[-MAX_CHARS:]))
    kind, match = _rule_for(truth, options, question, tolerance)
    if match(text, False) if kind in _BRACKETS_AND_COMMAS_COUNT else normalise(text) == normalise(truth):
        return Verdict(True, _printable(text), "exact")
    final = find_final_answer(response, question)
    if final is None:
        return Verdict(False, None, "no final answer")
    prediction = _printable(final.readings[-1]) if final.readings else None
    exact = kind not in _BRACKETS_AND_COMMAS_COUNT and normalise(final.text) == normalise(truth)
    found = [match(reading, True) for reading in _readings(kind, final)]
    if not (final.explicit or {True, False}.intersection(found) or is_negated(final.text)):
        found.append(match(text.split("\n", 1)[0].strip(), False))  # the answer first, then why
    if not exact and True not in found:
        return Verdict(False, prediction, kind if False in found else f"{kind}: no readable answer")
    if (final.is_hedged and not exact) or _competes(kind, match, final):
        return Verdict(False, prediction, "several candidates")
    return Verdict(True, prediction, "exact" if exact else kind)


def _readings(kind: str, final: FinalAnswer) -> tuple[str, ...]:
    if kind == "list":
        return (*final.readings, final.whole)
    if kind == "choice" and not final.explicit and num_labels(final.text) > 1:  # the options once more
        return final.readings[:1]
    return final.readings


def _competes(kind: str, match: _Match, final: FinalAnswer) -> bool:
    """Whether another candidate beside the right one is neither explained nor taken back."""
    if any(match(earlier, False) is False for earlier in final.earlier):
        return True
    if kind in ("text", "list", "interval"):  # an explanation is a text as well, so nothing tells it from a candidate
        return False
    return len(final.neighbours) == 2 and {match(piece, False) for piece in final.neighbours} == {True, False}


def _rule_for(truth: str, options: dict[str, str], question: str, tolerance: float) -> tuple[str, _Match]:
    choice, number = read_choice(truth), _truth_quantity(truth)
    if choice is not None:
        return "choice", _choice_rule(*choice, options)
    if truth.casefold().rstrip(".") in _YES_NO:
        return "yes or no", _yes_no_rule(_YES_NO[truth.casefold().rstrip(".")])
    if number is not None:
        return "number", _or_letter(_number_rule(number, question, tolerance), truth, options)
    items = split_items(truth)
    if truth[0] + truth[-1] in ("[)", "(]"):
        return "interval", lambda reading, _prose: _unspaced(reading) == _unspaced(truth)
    if len(items) > 1:
        return "list", _list_rule(items, tolerance, ordered=truth.startswith("(") and truth.endswith(")"))
    return "text", _or_letter(_text_rule(truth), truth, options)


def _truth_quantity(truth: str) -> Quantity | None:
    """Only short ground truths are numbers: `3 dogs` is, `3 dogs that play in the park` is text."""
    quantity = read_quantity(truth)
    return quantity if quantity is not None and len(quantity.unit.split()) <= 2 else None


def _is_open(reading: str) -> bool:
    """Whether it asks or denies."""
    return reading.endswith("?") or is_negated(reading)


def _text_rule(truth: str) -> _Match:
    is_formula = _FORMULA.search(truth) is not None

    def match(reading: str, prose: bool) -> bool | None:
        if normalise(reading) == normalise(truth):
            return True
        return is_formula and _unspaced(reading) == _unspaced(truth)

    return match


def _unspaced(text: str) -> str:
    return "".join(text.casefold().split()).rstrip(".")


def _choice_rule(letter: str, text: str | None, options: dict[str, str]) -> _Match:
    wanted = {normalise(option) for option in (text, options.get(letter)) if option}

    def match(reading: str, prose: bool) -> bool | None:
        if prose and normalise(reading) in wanted:
            return True
        found = written_choice(reading, options)
        if found is None and prose and not _is_open(reading) and num_labels(reading) < 2:
            found = sole_choice(reading)
        return None if found is None else found == letter

    return match


def _yes_no_rule(wanted: bool) -> _Match:
    def match(reading: str, prose: bool) -> bool | None:
        said = _SAYS_YES_NO.match(reading)
        return None if said is None else _YES_NO[said[1].casefold()] == wanted

    return match


def _number_rule(truth: Quantity, question: str, tolerance: float) -> _Match:
    asked_for = {word.casefold() for word in _VERDICT_WORD.findall(question)}

    def match(reading: str, prose: bool) -> bool | None:
        if _COMPARISON.search(reading) or (prose and _is_open(reading)):
            return None
        found = read_quantity(reading)
        if found is None and prose:
            found = read_quantity(reading.rpartition("=")[2])
        if found is None and prose and not _MARKUP.search(reading):
            says_verdict = {word.casefold() for word in _VERDICT_WORD.findall(reading)} - asked_for
            if not says_verdict:
                found = sole_quantity(reading.rpartition("=")[2] if "=" in reading else reading)
        return None if found is None else same_quantity(truth, found, tolerance)

    return match


def _list_rule(wanted: list[str], tolerance: float, *, ordered: bool) -> _Match:
    def match(reading: str, prose: bool) -> bool | None:
        forms = [reading, reading.rpartition(": ")[2]] if prose else [reading]
        return any(_same_items(wanted, split_items(form), tolerance, ordered=ordered) for form in forms)

    return match


def _same_items(wanted: list[str], given: list[str], tolerance: float, *, ordered: bool) -> bool:
    """Whether two lists are equal; order counts for tuples, repetition only where the ground truth repeats itself."""
    if not ordered and len({normalise(item) for item in wanted}) == len(wanted):
        given = list({normalise(item): item for item in given}.values())
    if len(wanted) != len(given) or len(wanted) > _MAX_ITEMS:
        return False
    if ordered:
        return all(_same_item(a, b, tolerance) for a, b in zip(wanted, given, strict=True))
    left = list(given)
    for item in wanted:
        place = next((i for i, other in enumerate(left) if _same_item(item, other, tolerance)), None)
        if place is None:
            return False
        left.pop(place)
    return True


def _same_item(wanted: str, given: str, tolerance: float) -> bool:
    if normalise(wanted) == normalise(given):
        return True
    truth, found = read_quantity(wanted), read_quantity(given)
    return truth is not None and found is not None and same_quantity(truth, found, tolerance)


def _or_letter(rule: _Match, truth: str, options: dict[str, str]) -> _Match:
    """Where the question lists options, a letter stands for its option's text."""

    def match(reading: str, prose: bool) -> bool | None:
        same = rule(reading, prose)
        if same or not options or not prose:
            return same
        letter = written_choice(reading, options)
        chosen = options.get(letter, "") if letter else ""
        return same if not chosen else bool(rule(chosen, False)) or normalise(chosen) == normalise(truth)

    return match


def _printable(text: str) -> str:
    """Short, and encodable whatever the response held."""
    return text[:_MAX_PREDICTION_CHARS].encode("utf-8", "replace").decode()
