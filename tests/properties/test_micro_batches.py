"""Whatever the budget, every group comes once, and no micro-batch is over it unless one group is."""

from hypothesis import given
from hypothesis import strategies as st

from rilctl.data.micro_batches import GroupSize, micro_batches, padded_tokens

sizes = st.lists(st.builds(GroupSize, st.integers(1, 900), st.integers(1, 16), st.integers(1, 300)), max_size=40)


@given(sizes, st.integers(1, 20_000))
def test_every_group_once_under_the_budget(groups, budget):
    parts = list(micro_batches(groups, budget))
    assert sorted(index for part in parts for index in part) == list(range(len(groups)))
    for part in parts:
        assert len(part) == 1 or padded_tokens([groups[index] for index in part]) <= budget


@given(sizes, st.integers(1, 20_000))
def test_long_groups_are_not_padded_to_by_short_ones(groups, budget):
    lengths = [
        [groups[i].prompt_tokens + groups[i].response_tokens for i in part] for part in micro_batches(groups, budget)
    ]
    flat = [length for part in lengths for length in part]
    assert flat == sorted(flat)


def test_by_hand():
    groups = [GroupSize(10, 2, 5), GroupSize(100, 2, 50), GroupSize(10, 2, 6), GroupSize(10, 1, 5)]
    assert padded_tokens([groups[0], groups[2]]) == 2 * 10 + 4 * 6
    assert list(micro_batches(groups, 44)) == [[0, 3], [2], [1]]
