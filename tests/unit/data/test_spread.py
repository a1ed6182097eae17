"""Every so many of many items."""

import pytest

from rilctl.data.spread import spread


@pytest.mark.parametrize(("num", "kept"), [(0, []), (4, [0, 1, 2, 3]), (5, [0, 2, 4]), (9, [0, 3, 6])])
def test_every_so_many_are_taken(num: int, kept: list[int]) -> None:
    assert list(spread(range(num), 4)) == kept
