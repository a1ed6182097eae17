"""How ranks divide work and put numbers together."""

from hypothesis import given
from hypothesis import strategies as st

from rilctl.engines.training.ranks import Ranks, add_up, share

SIZES = st.integers(1, 9)
NUMBERS = st.integers(-100, 100)


@given(st.lists(NUMBERS), SIZES)
def test_every_item_is_one_ranks(items: list[int], size: int) -> None:
    shares = [share(list(enumerate(items)), rank, size) for rank in range(size)]
    assert sorted(pair for part in shares for pair in part) == list(enumerate(items))


@given(st.lists(NUMBERS), SIZES)
def test_no_rank_has_two_more_than_another(items: list[int], size: int) -> None:
    lengths = [len(share(items, rank, size)) for rank in range(size)]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), NUMBERS)), SIZES)
def test_sums_of_shares_are_the_sums_of_all(rows: list[dict[str, int]], size: int) -> None:
    parts = [add_up(share(rows, rank, size)) for rank in range(size)]
    assert add_up(parts) == add_up(rows)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), NUMBERS)))
def test_what_no_part_has_is_absent(rows: list[dict[str, int]]) -> None:
    assert add_up(rows).keys() == {name for row in rows for name in row}


@given(st.lists(NUMBERS), st.integers(0, 5))
def test_alone_everything_is_as_it_was(items: list[int], least: int) -> None:
    alone = Ranks()
    assert alone.share(items) == items and alone.gather_lists(list(items)) == items
    assert alone.exchange([items]) == alone.at_main(items) == [items]
    assert alone.total(7) == alone.largest(7) == 7
    padded = alone.padded(items, 0, least=least)
    assert padded[: len(items)] == items and len(padded) == max(len(items), least)
