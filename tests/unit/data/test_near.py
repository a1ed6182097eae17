"""Rows with near pictures are found by bands as they are by looking at each."""

import random

import pytest

from rilctl.data.near import NearRows


@pytest.mark.parametrize("most", [0, 1, 3, 4, 8, 9, 11, 20])
@pytest.mark.parametrize("num_pictures", [1, 2])
def test_what_is_near_is_found_and_nothing_else(most: int, num_pictures: int) -> None:
    chance = random.Random(most)
    rows, found = [tuple(chance.getrandbits(64) for _ in range(num_pictures)) for _ in range(150)], NearRows(most)
    for row in rows:
        found.add(row)
    for row in rows[:40]:
        for num_flipped in (0, most, most + 1):
            flipped = tuple(one ^ sum(1 << bit for bit in chance.sample(range(64), num_flipped)) for one in row)
            expected = any(
                all((a ^ b).bit_count() <= most for a, b in zip(flipped, other, strict=True)) for other in rows
            )
            assert found.holds(flipped) == expected
            if most < 20:  # of random hashes, hardly any differ in so few bits
                assert expected == (num_flipped <= most)
