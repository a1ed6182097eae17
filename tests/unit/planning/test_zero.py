"""ZeRO's published arithmetic for mixed precision: 2 + 4 + 12 bytes a parameter, divided in stages."""

import pytest

from rilctl.planning.memory import Held, torch_state
from rilctl.planning.zero import Zero, divided_weights, saving_phase, zero_state

P = 6_000_000_000


def test_stage_0_is_torch() -> None:
    assert zero_state(P, 2, Zero(0, 6)) == torch_state(P)


@pytest.mark.parametrize(
    ("stage", "weights", "gathered", "sums", "optimizer"),
    [(1, 12, 0, 24, 12), (2, 12, 0, 4, 12), (3, 2, 2, 4, 12)],
)
def test_stages_divide_more_and_more(
    stage: int, weights: float, gathered: float, sums: float, optimizer: float
) -> None:
    held = zero_state(P, 2, Zero(stage, 6))
    buckets = 1e9 if stage == 3 else 2e9  # two where communication overlaps
    expected = (weights * 1e9, sums * 1e9 + buckets, optimizer * 1e9, 0, gathered * 1e9)
    assert held == Held(*map(int, expected))


def test_what_is_offloaded_waits_on_the_host() -> None:
    held = zero_state(P, 2, Zero(3, 6, "all"))
    assert held == Held(gathered=2_000_000_000, gradients=1_000_000_000, optimizer=0, host=int((2 + 4 + 12) * 1e9))
    assert zero_state(P, 2, Zero(2, 6, "optimizer")).host == int((4 + 12) * 1e9)


def test_frozen_weights_are_divided_under_stage_3_alone() -> None:
    assert divided_weights(P, 2, Zero(2, 6)) == Held(12_000_000_000)
    assert divided_weights(P, 2, Zero(3, 6)) == Held(2_000_000_000, gathered=2_000_000_000)


def test_a_small_model_is_never_more_than_whole() -> None:
    assert divided_weights(1_000, 2, Zero(3, 4)) == Held(500, gathered=2_000)


def test_of_several_models_one_is_gathered_at_a_time() -> None:
    both = divided_weights(P, 2, Zero(3, 6)) + divided_weights(P, 2, Zero(3, 6))
    assert both.present == 4_000_000_000 + 2_000_000_000


def test_a_checkpoint_is_a_share_of_whole_parameters_with_their_moments() -> None:
    held = zero_state(P, 2, Zero(3, 6))
    on_gpu = saving_phase(held, P, Zero(3, 6), "cuda")
    assert on_gpu.total == held.present + held.optimizer  # they go to the host one by one
    on_cpu = saving_phase(held, P, Zero(3, 6), "cpu")
    assert on_cpu.total == on_gpu.total + 2 * 12 * P // 6


def test_without_division_a_gpu_copies_nothing_to_itself() -> None:
    held = torch_state(P)
    assert saving_phase(held, P, None, "cuda").total == held.present + held.optimizer
    on_cpu = saving_phase(held, P, None, "cpu")
    assert (on_cpu.weights, on_cpu.optimizer) == (2 * held.weights, 2 * held.optimizer)
