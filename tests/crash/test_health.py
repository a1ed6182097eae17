"""A short look at what `nox -s health` looks at for 2,000 steps, and that it would see what grows."""

import random

import pytest

from .health import LIMITS, measure, too_much


def series(num: int = 1000) -> dict[str, list[float]]:
    """A healthy run: noise, and a caches' first growth."""
    chance = random.Random(0)
    return {
        "memory": [500 + min(step, 150) / 2 + chance.random() for step in range(num)],
        "open files": [7.0 + (step % 100 == 0) for step in range(num)],
        "threads": [1.0] * num,
        "step": [0.07 + 0.02 * chance.random() + (step % 100 == 0) for step in range(num)],
    }


def grown(name: str) -> set[str]:
    """What is found to grow where this does, by twice what it may."""
    values = series()
    typical = 0.08 if name == "step" else 1.0
    most = 2 * LIMITS[name].most * typical / 0.8 / len(values[name])
    values[name] = [value + most * step for step, value in enumerate(values[name])]
    return {found for found, (_, is_too_much) in too_much(values).items() if is_too_much}


def test_noise_is_no_growth() -> None:
    assert not any(is_too_much for _, is_too_much in too_much(series()).values())


@pytest.mark.parametrize("name", LIMITS)
def test_what_grows_is_found(name: str) -> None:
    assert grown(name) == {name}


def test_a_run_is_measured_at_every_step() -> None:
    values = measure(10)
    assert {len(of_steps) for of_steps in values.values()} == {10}
    assert all(value > 0 for of_steps in values.values() for value in of_steps)
