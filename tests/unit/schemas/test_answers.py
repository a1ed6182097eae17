import json

import pytest

from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt
from rilctl.engines.judging.rule import judge_answer
from rilctl.errors import RowError
from rilctl.schemas.answers import accepted_answers, answer_text

VQA = [{"answer": answer, "answer_id": number} for number, answer in enumerate(["no", "yes", "yes", "no way", "yes"])]


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("a dog", ["a dog"]),
        (7, ["7"]),
        (0.5, ["0.5"]),
        (True, ["true"]),
        (False, ["false"]),
        (["12"], ["12"]),
        (["12", "twelve", 12], ["12", "twelve"]),
        (VQA, ["yes", "no", "no way"]),
        (["", None, " cat "], ["cat"]),
        ([["red", "green"], "both"], ['["red", "green"]', "both"]),
        ('["red", "green"]', ['["red", "green"]']),
        ('{"one of": 5}', ['{"one of": 5}']),
    ],
)
def test_what_a_data_set_holds_becomes_one_text_that_names_all_accepted_answers(
    value: object, accepted: list[str]
) -> None:
    text = answer_text(value, "answer")
    assert list(accepted_answers(text)) == accepted
    if len(accepted) == 1:
        assert text == accepted[0]  # as a single answer always was


@pytest.mark.parametrize("value", [None, [], [None], "", ["", None]])
def test_no_answer_is_empty(value: object) -> None:
    assert answer_text(value, "answer") == ""


@pytest.mark.parametrize("value", [{}, {"text": "a"}, [{"text": "a"}], float("nan"), [float("inf")]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(RowError) as caught:
        answer_text(value, "answer")
    assert caught.value.reason == "field-type"


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("The answer is twelve.", True),
        ("12", True),
        ("a dozen", True),
        ("The answer is 13.", False),
        ("a pair", False),
        ("", False),
    ],
)
def test_the_rule_judge_is_right_if_one_of_them_matches(response: str, right: bool) -> None:
    assert judge_answer(answer_text(["12", "twelve"], "answer"), response).correct is right


def test_a_list_in_a_list_is_one_answer_that_is_a_list() -> None:
    truth = answer_text([["red", "green"], "both"], "answer")
    assert judge_answer(truth, "The answer is green and red.").correct
    assert judge_answer(truth, "The answer is both.").correct
    assert not judge_answer(truth, "The answer is red.").correct


def test_an_llm_judge_is_shown_all_of_them() -> None:
    prompt = judge_prompt(RUBRIC, JudgeRequest("how many?", answer_text(["12", "<b>"], "answer"), "13"), as_json=True)
    field = prompt.partition("<ground_truth>\n")[2].partition("\n</ground_truth>")[0]
    assert field == "Any one of these is right, each on a line of its own:\n12\n&lt;b&gt;"
    single = judge_prompt(RUBRIC, JudgeRequest("how many?", "12", "13"), as_json=True)
    assert "<ground_truth>\n12\n</ground_truth>" in single


def test_it_is_json_that_people_can_write_themselves() -> None:
    assert json.loads(answer_text(["a", "ä"], "answer")) == {"one of": ["a", "ä"]}
    assert accepted_answers('{"one of": ["a", "b"]}') == ("a", "b")
