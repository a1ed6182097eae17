from collections import Counter
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from rilctl.data.batches import batches, epoch_order
from rilctl.data.fingerprints import normal_text
from rilctl.data.select import is_held_out, rank

SIZES = st.integers(1, 40)
SEEDS = st.integers(0, 2**63)


@given(SIZES, SEEDS, st.integers(0, 100))
def test_an_epoch_is_a_permutation(num_rows: int, seed: int, epoch: int) -> None:
    order = epoch_order(num_rows, seed, epoch)
    assert sorted(order) == list(range(num_rows))
    assert order == epoch_order(num_rows, seed, epoch)


@given(SIZES, SIZES, SEEDS, st.integers(0, 30))
def test_starting_later_is_going_on(num_rows: int, rows_per_step: int, seed: int, start: int) -> None:
    whole = list(islice(batches(num_rows, rows_per_step, seed), start + 5))
    assert list(islice(batches(num_rows, rows_per_step, seed, start), 5)) == whole[start:]


@given(SIZES, SIZES, SEEDS, st.integers(1, 30))
def test_every_step_is_full_and_rows_come_round_evenly(
    num_rows: int, rows_per_step: int, seed: int, steps: int
) -> None:
    taken = list(islice(batches(num_rows, rows_per_step, seed), steps))
    assert {len(step) for step in taken} == {rows_per_step}
    counts = Counter(row for step in taken for row in step)
    per_row = [counts[row] for row in range(num_rows)]
    assert max(per_row) - min(per_row) <= 1


def test_the_order_is_fixed_forever() -> None:
    assert epoch_order(10, 0, 0) == [8, 9, 0, 3, 7, 4, 1, 5, 2, 6]
    assert epoch_order(10, 0, 0) != epoch_order(10, 0, 1)
    assert epoch_order(10, 0, 0) != epoch_order(10, 1, 0)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_more(sample_id: str, one: float, other: float) -> None:
    if is_held_out(sample_id, min(one, other)):
        assert is_held_out(sample_id, max(one, other))


@given(st.text(), st.text())
def test_ranks_are_64_bits(sample_id: str, salt: str) -> None:
    assert 0 <= rank(sample_id, salt) < 2**64


@given(st.text())
def test_normal_text_is_blind_to_case_and_space(text: str) -> None:
    assert normal_text(f"  {text}\n") == normal_text(text)
