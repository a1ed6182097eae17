"""Who is right about a question, and which answers flip."""

import pytest

from rilctl.schemas.records import RolloutRecord
from rilctl.views.runs.answers import Answer, flips, majority


def _row(text: str, reward: float | None, side: str = "student") -> RolloutRecord:
    told = {"step": 4, "sample_id": "q", "source": side, "side": side, "response_index": 0, "question": "?"}
    said = {"answer": "1", "image_digests": ["d"], "text": text, "token_ids": [1], "finish_reason": "stop"}
    return RolloutRecord.model_validate({**told, **said, "answer_reward": reward})


@pytest.mark.parametrize(
    ("rewards", "is_right", "text", "verdict"),
    [
        ([1.0, 0.0, 1.0], True, "0", "step 4: 2 of 3 judged right"),
        ([0.0, 1.0], False, "0", "step 4: 1 of 2 judged right"),  # half is no majority
        ([None, 1.0, 0.4, 0.0], False, "2", "step 4: 1 of 3 judged right"),
        ([0.5], True, "0", "step 4: 1 of 1 judged right"),
    ],
)
def test_a_group_is_what_most_of_its_judged_rollouts_are(rewards, is_right, text, verdict):
    rows = [_row(f"{place}", reward) for place, reward in enumerate(rewards)]
    found = majority([_row("a teacher's", 1.0, "teacher"), *rows])
    assert found == Answer("q", "?", "1", text, verdict, is_right, ("d",), step=4)


def test_without_a_verdict_nothing_is_said():
    assert majority([_row("a", None), _row("a teacher's", 1.0, "teacher")]) is None


def test_flips_are_of_questions_that_both_answered_and_come_in_the_order_of_the_first():
    def answer(is_right: bool) -> Answer:
        return Answer("q", "?", "1", "right" if is_right else "wrong", "score", is_right)

    before = {("b", "1"): answer(False), ("b", "2"): answer(True), ("b", "3"): answer(True), ("b", "4"): answer(True)}
    after = {("b", "2"): answer(False), ("b", "1"): answer(True), ("b", "3"): answer(True), ("c", "4"): answer(False)}
    found = flips(before, after)
    assert [(flip.way, flip.before.text, flip.after.text) for flip in found] == [
        ("gained", "wrong", "right"),
        ("lost", "right", "wrong"),
    ]
