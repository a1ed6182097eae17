"""A few of each race; the campaign runs more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .races import RACES, Racers, opened_racers

TIMES = 3


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    with opened_racers() as opened:
        yield opened


@pytest.mark.parametrize("race", RACES)
def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path, racers: Racers, race: str) -> None:
    for number in range(TIMES):
        assert RACES[race](racers, tmp_path / str(number)) == ""
