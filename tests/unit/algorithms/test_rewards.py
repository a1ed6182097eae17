import math

import pytest
import torch

from rilctl.algorithms.rewards import MaskedRewards, combine_rewards, similarity_rewards

from . import reference

STUDENTS_FIRST = torch.tensor([[False, False, False, True, True, True]])
ALL_ROWS = torch.ones(1, 6, dtype=torch.bool)


def test_by_hand_what_is_at_the_threshold_is_student_like():
    logits_BG = torch.tensor([[-0.1, 0.0, 0.1, -3.0, math.inf, -math.inf]])
    rewards_BG, mask_BG = similarity_rewards(logits_BG, ALL_ROWS, STUDENTS_FIRST)
    assert rewards_BG.tolist() == [[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]]
    assert mask_BG.all()


def test_a_groups_own_threshold_by_hand_is_strictly_below_the_median_teacher():
    logits_BG = torch.tensor([[4.9, 5.0, 5.1, 7.0, 5.0, 2.0]])
    rewards_BG, _ = similarity_rewards(logits_BG, ALL_ROWS, STUDENTS_FIRST, logits_have_zero=False)
    assert rewards_BG.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    even_BG = torch.tensor([[False, False, True, True, True, True]])
    logits_BG = torch.tensor([[3.9, 4.1, 1.0, 3.0, 5.0, 9.0]])
    rewards_BG, _ = similarity_rewards(logits_BG, ALL_ROWS, even_BG, logits_have_zero=False)
    assert rewards_BG.tolist() == [[1.0, 0.0, 1.0, 1.0, 0.0, 0.0]]


def test_no_row_and_nan_have_no_reward_rather_than_zero():
    logits_BG = torch.tensor([[-1.0, math.nan, -1.0, 0.5, math.nan, -9.0]])
    row_mask_BG = torch.tensor([[True, True, False, True, True, False]])
    for zero in (True, False):
        batch = (logits_BG, row_mask_BG, STUDENTS_FIRST)
        _, graded_mask_BG = similarity_rewards(*batch, logits_have_zero=zero, is_graded=True)
        rewards_BG, mask_BG = similarity_rewards(*batch, logits_have_zero=zero)
        assert mask_BG.tolist() == graded_mask_BG.tolist() == [[True, False, False, True, False, False]]
        assert rewards_BG.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]


def test_a_group_without_a_teacher_has_no_threshold_of_its_own():
    nobody_BG = torch.zeros(1, 6, dtype=torch.bool)
    rewards_BG, mask_BG = similarity_rewards(torch.randn(1, 6), ALL_ROWS, nobody_BG, logits_have_zero=False)
    assert not mask_BG.any()
    assert rewards_BG.eq(0).all()


def test_a_groups_own_threshold_equals_the_reference():
    generator = torch.Generator().manual_seed(2)
    logits_BG = torch.randn(50, 7, generator=generator, dtype=torch.float64)
    teacher_mask_BG = torch.rand(50, 7, generator=generator) < 0.5
    row_mask_BG = torch.rand(50, 7, generator=generator) < 0.8
    rewards_BG, mask_BG = similarity_rewards(logits_BG, row_mask_BG, teacher_mask_BG, logits_have_zero=False)
    for b in range(50):
        teachers = logits_BG[b][teacher_mask_BG[b] & row_mask_BG[b]].tolist()
        for g in range(7):
            known = bool(row_mask_BG[b, g]) and bool(teachers)
            assert bool(mask_BG[b, g]) == known
            assert rewards_BG[b, g].item() == (known and logits_BG[b, g].item() < reference.median(teachers))


@pytest.mark.parametrize("zero", [True, False])
def test_a_graded_reward_is_the_discriminators_doubt(zero):
    generator = torch.Generator().manual_seed(3)
    logits_BG = torch.randn(1, 6, generator=generator, dtype=torch.float64)
    batch = (logits_BG, ALL_ROWS, STUDENTS_FIRST)
    rewards_BG, mask_BG = similarity_rewards(*batch, logits_have_zero=zero, is_graded=True)
    binary_BG, _ = similarity_rewards(*batch, logits_have_zero=zero)
    own = 0.0 if zero else logits_BG[0, 3:].median().item()
    expected = [1 / (1 + math.exp(logit - own)) for logit in logits_BG[0].tolist()]
    assert rewards_BG[0].tolist() == pytest.approx(expected, rel=1e-12)
    assert ((rewards_BG > 0.5) == binary_BG.bool()).all() and mask_BG.all()


def parts() -> dict[str, MaskedRewards]:
    similarity = MaskedRewards(torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[True, True, True, False]]))
    answer = MaskedRewards(torch.tensor([[1.0, math.nan, 0.0, 1.0]]), torch.tensor([[True, False, True, True]]))
    return {"similarity": similarity, "answer": answer}


@pytest.mark.parametrize(
    ("weights", "rewards", "mask"),
    [
        ({"similarity": 1.0, "answer": 1.0}, [2.0, 0.0, 0.0, 0.0], [True, False, True, False]),
        ({"answer": 1.0}, [1.0, 0.0, 0.0, 1.0], [True, False, True, True]),
        ({"similarity": 1.0}, [1.0, 1.0, 0.0, 0.0], [True, True, True, False]),
        ({"similarity": 0.25, "answer": 1.5}, [1.75, 0.0, 0.0, 0.0], [True, False, True, False]),
        ({"similarity": 0.0, "answer": 1.0}, [1.0, 0.0, 0.0, 1.0], [True, False, True, True]),  # measured alone
    ],
)
def test_combine_by_hand(weights, rewards, mask):
    combined = combine_rewards({name: part for name, part in parts().items() if name in weights}, weights)
    assert combined.rewards_BG.tolist() == [rewards]
    assert combined.rewarded_mask_BG.tolist() == [mask]


def test_combine_equals_plain_python():
    generator = torch.Generator().manual_seed(5)
    weights = {"similarity": 0.25, "answer": 1.0, "length": 0.5, "format": 0.0}
    given = {
        name: MaskedRewards(
            torch.randn(20, 6, generator=generator, dtype=torch.float64), torch.rand(20, 6, generator=generator) < 0.8
        )
        for name in weights
    }
    rewards_BG, mask_BG = combine_rewards(given, weights)
    for b in range(20):
        for g in range(6):
            row = {name: (part.rewards_BG[b, g].item(), part.rewarded_mask_BG[b, g]) for name, part in given.items()}
            known = all(row[name][1] for name, weight in weights.items() if weight > 0)
            total = sum(weight * row[name][0] for name, weight in weights.items()) if known else 0.0
            assert bool(mask_BG[b, g]) == known
            assert rewards_BG[b, g].item() == pytest.approx(total, rel=1e-12)


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="weighs more than 0"):
        combine_rewards(parts(), {"similarity": 0.0, "answer": 0.0})
