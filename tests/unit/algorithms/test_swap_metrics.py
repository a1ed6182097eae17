import math

import pytest
import torch

from rilctl.algorithms.swap_metrics import swap_metrics


def test_by_hand_ties_count_half():
    metrics = swap_metrics(torch.tensor([3.0, 1.0, 0.5, -2.0]), torch.tensor([1.0, 1.0, 1.0, -5.0]))
    assert metrics == {"num_swapped": 4.0, "swap_auc": (1 + 0.5 + 0 + 1) / 4, "swap_margin": (2 + 0 - 0.5 + 3) / 4}


def test_who_does_not_look_gets_a_half():
    logits_S = torch.randn(9)
    assert swap_metrics(logits_S, logits_S) == {"num_swapped": 9.0, "swap_auc": 0.5, "swap_margin": 0.0}


def test_pairs_without_a_number_are_left_out_and_without_pairs_nothing_is_said():
    metrics = swap_metrics(torch.tensor([3.0, math.nan, 4.0]), torch.tensor([1.0, 1.0, math.inf]))
    assert metrics == {"num_swapped": 1.0, "swap_auc": 1.0, "swap_margin": pytest.approx(2.0)}
    assert swap_metrics(torch.zeros(0), torch.zeros(0)) == {"num_swapped": 0.0}
