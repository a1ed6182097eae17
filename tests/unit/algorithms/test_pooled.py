"""Differences of arms whose seeds' spread is estimated together."""

import random
from statistics import fmean, variance

import pytest

from rilctl.algorithms.crossed import crossed_difference
from rilctl.algorithms.pooled import SeedSpread, pooled_difference, pooled_mean, seed_spread


def drawn(chance: random.Random, rates: list[float], hard: list[float]) -> list[list[float]]:
    return [[float(chance.random() < rate + each) for each in hard] for rate in rates]


def test_the_spread_is_the_mean_of_the_arms_that_have_several_seeds() -> None:
    arms = {"base": [[1.0, 0.0]], "a": [[1.0, 1.0], [0.0, 1.0]], "b": [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]}
    expected = (variance([1.0, 0.5]) + 2 * variance([0.0, 0.5, 1.0])) / 3
    assert seed_spread(arms) == SeedSpread(pytest.approx(expected), 3)
    assert seed_spread({"base": [[1.0]]}) == SeedSpread(0.0, 0)


def test_one_seed_each_is_the_paired_difference() -> None:
    a, b = [[1.0, 1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0, 1.0]]
    ours, theirs = pooled_difference(a, b, SeedSpread(0.0, 0)), crossed_difference(a, b)
    assert ours.interval == pytest.approx(theirs.interval) and ours.p == pytest.approx(theirs.p)


def test_two_seeds_tell_a_large_difference_where_other_arms_are_there_to_tell_the_spread() -> None:
    chance = random.Random(3)
    hard = [chance.gauss(0, 0.1) for _ in range(500)]
    arms = {"base": drawn(chance, [0.28], hard), "ril": drawn(chance, [0.95, 0.8], hard)}
    arms |= {name: drawn(chance, [0.5, 0.53], hard) for name in "abcd"}
    found = pooled_difference(arms["ril"], arms["base"], seed_spread(arms), 0.997)
    assert found.p < 0.001 and 0.15 < found.interval.low < found.interval.estimate < 0.7
    own = variance([fmean(row) for row in arms["ril"]]) / 2
    assert (found.interval.high - found.interval.low) / 2 > 4 * own**0.5  # its own spread, not the steady arms'


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_of_equal_arms_one_in_twenty_differs_also_from_an_unsteady_one(num_seeds: int) -> None:
    chance = random.Random(num_seeds)
    found = []
    for _ in range(300):
        hard = [chance.gauss(0, 0.2) for _ in range(60)]
        spreads = {"a": 0.02, "b": 0.02, "c": 0.04, "unsteady": 0.1}
        arms = {
            name: drawn(chance, [0.5 + chance.gauss(0, each) for _ in range(num_seeds)], hard)
            for name, each in spreads.items()
        }
        found.append(pooled_difference(arms["a"], arms["unsteady"], seed_spread(arms)).p < 0.05)
    assert fmean(found) < 0.1  # two seeds that happen to agree hide an unsteady arm: not quite one in twenty


def test_a_mean_widens_with_the_spread() -> None:
    scores = [[1.0, 0.0] * 50] * 2
    assert pooled_mean(scores, SeedSpread(0.0, 5)).low > pooled_mean(scores, SeedSpread(0.01, 5)).low > 0


def test_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="same questions"):
        pooled_difference([[1.0, 0.0]], [[1.0]], SeedSpread(0.0, 0))
