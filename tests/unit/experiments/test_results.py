"""Results come back as they were written, and what can't be compared is refused."""

import json

import pytest
from experiments import results as stored
from experiments.results import pack, unpack

from .made_up import empty, made_up


@pytest.mark.parametrize("num", [0, 1, 3, 4, 5, 1000])
def test_bits_come_back(num):
    bits = [index % 3 == 0 for index in range(num)]
    assert unpack(pack(bits), num) == bits


def test_the_first_question_is_the_highest_bit():
    assert pack([True, False, False, False, False, True]) == "84"
    with pytest.raises(ValueError, match="2 digits for 9 questions"):
        unpack("84", 9)


def test_a_file_comes_back_with_a_line_for_each_run(tmp_path):
    results = empty().with_run(made_up("ril", 100, 1e-3)).with_run(made_up("ril", 0, 1e-3, right=(True, False)))
    stored.write(results.with_questions("a1"), tmp_path)
    assert stored.read("digits-truth", tmp_path) == results.with_questions("a1")
    lines = (tmp_path / "digits-truth.json").read_text().splitlines()
    assert len(lines) == 2 + len(results.runs) and json.loads("\n".join(lines))["place"] == "digits-truth"
    assert stored.read("digits-tenth", tmp_path).runs == ()


def test_a_run_takes_the_place_of_its_earlier_self():
    results = empty().with_run(made_up("ril", 0, 1e-3, right=(True,))).with_run(made_up("ril", 0, 1e-3, right=(False,)))
    (run,) = results.runs
    assert run.correct == [False]


def test_other_questions_are_refused():
    results = empty().with_questions("a1").with_questions("")
    assert results.questions == "a1"
    with pytest.raises(ValueError, match="other test questions"):
        results.with_questions("b2")
