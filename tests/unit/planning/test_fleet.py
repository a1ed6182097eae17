"""First-order formulas against sums that can be done by hand."""

from dataclasses import replace

import pytest

from rilctl.planning.fleet import Fleet, expected_longest, step_s

FLEET = Fleet(
    trainers=16,
    samplers=16,
    gpus_per_host=8,
    parameters=5e9,
    weight_bytes=2,
    questions=100,
    rows=4,
    mean_tokens=100,
    max_tokens=1_000,
    image_bytes=300e3,
    pixel_bytes=20e6,
    request_cpu_s=0.002,
    image_cpu_s=0.1,
    workers=5,
    token_s=0.02,
    nic_bytes_per_s=50e9,
    host_bytes_per_s=10e9,
    disk_bytes_per_s=2e9,
)


def test_the_longest_of_few_without_a_limit_is_a_harmonic_sum() -> None:
    for num in (1, 2, 5):
        harmonic = sum(1 / k for k in range(1, num + 1))
        assert expected_longest(num, 10, 1_000) == pytest.approx(10 * harmonic, rel=1e-3)  # a sum over 2,000 strips


def test_a_limit_bounds_it() -> None:
    assert expected_longest(10**6, 100, 500) == pytest.approx(500, rel=1e-3)
    assert FLEET.busy_share() > replace(FLEET, questions=10_000).busy_share() > 0.1


def test_bytes_over_bandwidth() -> None:
    assert FLEET.broadcast_s() == pytest.approx(10 / 50)
    assert FLEET.zero3_s() == pytest.approx(30 / 50)
    assert FLEET.disk_s() == pytest.approx(10 * (1 + 2) / 2)  # written once, read by two hosts
    assert FLEET.image_send_s() == pytest.approx(100 * 400e3 / (2 * 10e9))
    assert FLEET.asking_s() == pytest.approx(400 * 0.002 / 16)
    assert FLEET.image_cpu_wall_s() == pytest.approx(100 * 0.1 / (2 * 5))
    assert FLEET.pixel_bytes_per_host() == pytest.approx(1e9)


def test_a_broadcast_does_not_grow_with_the_fleet_and_files_do() -> None:
    larger = replace(FLEET, samplers=160)
    assert larger.broadcast_s() == FLEET.broadcast_s()
    assert larger.disk_s() > 5 * FLEET.disk_s()


def test_one_step_off_hides_the_shorter_phase() -> None:
    assert step_s(30, 20, 1, one_step_off=False) == 51
    assert step_s(30, 20, 1, one_step_off=True) == 31
