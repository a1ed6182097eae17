"""How much a token counts, by hand."""

import pytest
import torch

from rilctl.algorithms.loss_parts import DENOMINATORS, WEIGHTINGS, BatchSize

MASK_BR = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])


@pytest.mark.parametrize(("name", "divisors"), [("token", [1, 1, 1]), ("row", [3, 1, 1])])
def test_weightings(name, divisors):
    """An empty row is divided by 1, not by 0."""
    assert WEIGHTINGS[name](MASK_BR).tolist() == divisors
    assert WEIGHTINGS[name](MASK_BR[:0]).shape == (0,)
    assert WEIGHTINGS[name](MASK_BR[:, :0]).tolist() == [1, 1, 1]


@pytest.mark.parametrize(("name", "expected"), [("budget", 24.0), ("rows", 3.0), ("tokens", 4.0)])
def test_denominators(name, expected):
    assert DENOMINATORS[name](BatchSize(num_rows=3, num_tokens=4, budget_tokens=8)) == expected


def test_a_batch_of_empty_responses_has_a_denominator():
    assert all(denominator(BatchSize(2, 0, 8)) > 0 for denominator in DENOMINATORS.values())
