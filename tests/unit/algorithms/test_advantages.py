import math

import pytest
import torch

from rilctl.algorithms.advantages import ADVANTAGES, dr_grpo_advantages, grpo_advantages

from . import reference


def test_dr_grpo_by_hand():
    rewards_BG = torch.tensor([[2.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    advantages_BG, skipped_B = dr_grpo_advantages(rewards_BG, torch.ones(1, 4, dtype=torch.bool))
    assert advantages_BG.tolist() == [[1.0, -1.0, 0.0, 0.0]]
    assert skipped_B.tolist() == [False]


def test_grpo_by_hand():
    rewards_BG = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    advantages_BG, _ = grpo_advantages(rewards_BG, torch.ones(1, 2, dtype=torch.bool))
    assert advantages_BG.tolist()[0] == pytest.approx(
        [-1 / (math.sqrt(2) + 1e-4), 1 / (math.sqrt(2) + 1e-4)], rel=1e-14
    )


def test_no_verdict_leaves_the_mean_and_one_reward_alone_skips_the_group():
    rewards_BG = torch.tensor([[1.0, math.nan, 0.0], [1.0, 5.0, math.inf], [9.0, 9.0, 9.0]])
    rewarded_mask_BG = torch.tensor([[True, False, True], [True, False, False], [False, False, False]])
    advantages_BG, skipped_B = dr_grpo_advantages(rewards_BG, rewarded_mask_BG)
    assert advantages_BG.tolist() == [[0.5, 0.0, -0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert skipped_B.tolist() == [False, True, True]
    advantages_BG, skipped_B = grpo_advantages(rewards_BG, rewarded_mask_BG)
    assert advantages_BG[1:].eq(0).all()
    assert advantages_BG[0, 1] == 0
    assert skipped_B.tolist() == [False, True, True]


def test_equal_rewards_are_not_skipped_but_teach_nothing():
    for function in ADVANTAGES.values():
        advantages_BG, skipped_B = function(torch.full((1, 4), 2.0), torch.ones(1, 4, dtype=torch.bool))
        assert advantages_BG.eq(0).all()
        assert not skipped_B.any()


@pytest.mark.parametrize("algorithm", ["dr_grpo", "grpo"])
def test_equals_the_reference(algorithm):
    generator = torch.Generator().manual_seed(1)
    rewards_BG = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    rewarded_mask_BG = torch.rand(40, 6, generator=generator) < 0.5
    advantages_BG, skipped_B = ADVANTAGES[algorithm](rewards_BG, rewarded_mask_BG)
    assert 0 < skipped_B.sum() < 40
    for b in range(40):
        rewards = [r if known else None for r, known in zip(rewards_BG[b].tolist(), rewarded_mask_BG[b], strict=True)]
        expected, skipped = reference.advantages(rewards, algorithm)
        assert advantages_BG[b].tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert bool(skipped_B[b]) == skipped
