"""Responses that attack the judge: huge, endless, unencodable. Each gets a verdict, soon."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rilctl.engines.judging.rule import judge_answer

_ANSWERS = ("5", "1,234.5 cm", "B", "yes", "red, blue", "(3, 4)", "[1, 2)", "cat", "50%")
_QUESTION = "What is it?\nA. dog\nB. cat\nC. bird"
_PIECES = (
    "a", " ", "1", "1 ", "1,", "0/", "10^", "1e9", "9" * 50, ".", ". ", "\n", "answer", "answer ", "answer: ",
    "the answer is ", "answer to ", "<answer>", "</answer>", "<answer>1</answer>", "\\boxed{", "\\boxed{1}", "{", "}",
    "$", "$1", "\\frac{", "\\text{", "(", "A ", "A. ", "or ", "and ", "is is ", "it is ", "the x ", "not ", "-", "- ",
    "=", "= ", "**", "one ", "twenty-", "[", '["a",', "<think>", "</think>", "square ", "million ", "%", "½", "²",
    "\u200b", "\x00", "\u0301", "\ufdfa", "\ud800",
)  # fmt: skip
_LIMIT_S = 1.0
"""Of computing, for one response of 1 MB, which takes about 20 ms; a backtracking pattern takes minutes."""
_PIECED = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@pytest.mark.parametrize("piece", _PIECES, ids=ascii)
def test_a_megabyte_of_anything_is_judged_in_bounded_time(piece: str) -> None:
    response = piece * (1_000_000 // len(piece))
    started = time.process_time()
    for answer in _ANSWERS:
        judge_answer(answer, response, question=_QUESTION)
    assert time.process_time() - started < _LIMIT_S * len(_ANSWERS)


@pytest.mark.parametrize(
    "piece", ["1, ", "a, ", "1 1/2; ", "A. x\n", "9" * 5000, "[" * 5000], ids=lambda piece: piece[:8]
)
def test_huge_ground_truths_and_questions_are_judged_in_bounded_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    judge_answer(text, text[:-10], question=text)
    judge_answer("5", text, question=text)
    assert time.process_time() - started < 4 * _LIMIT_S


@pytest.mark.parametrize("number", ["1e999999999", "9" * 4301, "1" + "0" * 100_000, "10^999999999", "1/" + "9" * 5000])
def test_astronomical_numbers_are_no_numbers(number: str) -> None:
    assert judge_answer("5", number).correct is False
    assert judge_answer("5", f"answer: {number}").correct is False


@pytest.mark.parametrize(
    "formula",
    [
        "9**9**9**9", "9^{9^{9^9}}", "e^{e^{e^{e^9}}}", "10^{64^{64}}", "(x+1)^{64}", "x+" * 140 + "x", "x^x^x",
        "1000000!",
        "\\binom{1000000}{500000}", "\\sum_{i=1}^{1000000} i", "\\int_0^1 x dx", "\\tan(\\pi/2)", "\\frac{1}{0}", "0^0",
        "\\frac{" * 60, "\\sqrt{" * 60 + "2" + "}" * 60, "\\begin{pmatrix}" + "1&" * 60 + "1\\end{pmatrix}", "((" * 40,
        "__import__('os').getcwd()", "x.__class__", "\\operatorname{eval}(1)",
    ],
    ids=lambda formula: formula[:12],
)  # fmt: skip
def test_no_formula_takes_long_or_is_run(formula: str) -> None:
    judge_answer("\\sqrt{2}", "\\sqrt{3}")  # what reads formulas takes a second to import
    started = time.process_time()
    for answer in ("\\sqrt{2}", "x^2+1", "5", "(1, 2)", "x \\le 3", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"):
        for response in (formula, f"${formula}$", f"\\boxed{{{formula}}}"):
            assert judge_answer(answer, response, question="Solve.").correct is False
    assert time.process_time() - started < 10 * _LIMIT_S


def test_formulas_are_compared_in_every_thread() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: judge_answer("\\sqrt{8}", f"{n}\\sqrt{{2}}").correct, range(1, 5)))
    assert found == [False, True, False, False]


def test_an_answer_after_a_megabyte_of_work_is_read() -> None:
    assert judge_answer("5", "thinking about it. " * 50_000 + "\nThe answer is 5.").correct is True


def test_control_characters_and_bidi_overrides_hide_nothing() -> None:
    assert judge_answer("5", "\x1b\u202e5\u202c\x00").correct is True
    assert judge_answer("5", "5\u202e6").correct is False


def test_lone_surrogates_get_a_verdict_that_can_be_stored() -> None:
    verdict = judge_answer("cat", "answer: dog \ud800")
    assert verdict.correct is False
    assert verdict.prediction is not None and verdict.prediction.encode()


@settings(max_examples=100, deadline=None)
@given(answer=st.text(max_size=30), response=st.text(max_size=200), question=st.text(max_size=50))
def test_any_text_gets_a_verdict(answer: str, response: str, question: str) -> None:
    verdict = judge_answer(answer, response, question=question)
    assert verdict.prediction is None or verdict.prediction.encode() is not None


@settings(max_examples=100, deadline=None)
@given(answer=_PIECED, response=_PIECED, question=_PIECED)
def test_any_pieces_get_a_verdict(answer: str, response: str, question: str) -> None:
    judge_answer(answer, response, question=question)


@settings(max_examples=100, deadline=None)
@given(_PIECED)
@example("$")
@example("\\boxed{1}\n.")
def test_a_response_equal_to_its_ground_truth_is_never_wrong(text: str) -> None:
    assert judge_answer(text, text).correct is not False
