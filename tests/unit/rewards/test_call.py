"""What a reward function may give, and how the row is named where it gives something else."""

import math
from fractions import Fraction

import numpy as np
import pytest

from rilctl.errors import RilctlError
from rilctl.rewards import RewardRow
from rilctl.rewards.call import score_rows

ROWS = [RewardRow(f"q{at}", "how many?", "3", f"answer {at}", (), 2, 8) for at in range(3)]


def test_numbers_of_every_kind_and_none():
    assert score_rows("mine", lambda rows: [True, None, 2], ROWS) == [1.0, None, 2.0]
    assert score_rows("mine", lambda rows: np.array([0.5, 1.5, 2.5], dtype=np.float32), ROWS) == [0.5, 1.5, 2.5]
    assert score_rows("mine", lambda rows: (Fraction(1, 4) for _ in rows), ROWS) == [0.25] * 3
    assert all(type(value) is float for value in score_rows("mine", lambda rows: [True] * 3, ROWS))


def fails_on_one(rows):
    return [1 / (row.response != "answer 1") for row in rows]


def fails_on_several(rows):
    if len(rows) > 1:
        raise KeyError("too many")
    return [0.0]


def leaves(rows):
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (fails_on_one, "reward `mine` failed: ZeroDivisionError: division by zero (test_call.py, line "),
        (fails_on_one, "on question `q1`, response 'answer 1'"),
        (fails_on_several, "on 3 rows together, the first of question `q0`"),
        (leaves, "SystemExit: 3"),
        (lambda rows: None, "TypeError: 'NoneType' object is not iterable"),
        (lambda rows: [0.0], "gave 1 values for 3 rows, from question `q0`"),
        (lambda rows: [0.0, "1", 0.0], "gave str, no number, for question `q1`"),
        (lambda rows: [0.0, 0.0, math.inf], "gave inf for question `q2`"),
        (lambda rows: [math.nan, 0.0, 0.0], "gave nan for question `q0`"),
    ],
)
def test_anything_else_ends_the_run_with_the_row(score, message):
    with pytest.raises(RilctlError) as error:
        score_rows("mine", score, ROWS)
    assert message in error.value.message
