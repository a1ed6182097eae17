"""ZeRO's published arithmetic for mixed precision: 2 + 4 + 12 bytes a parameter, divided in stages."""

import pytest

from rilctl.planning.memory import Device, Held, Phase, torch_state
from rilctl.planning.zero import Zero, divided_weights, loading_phase, saving_phase, zero_state

from .test_memory import ANATOMY

P = 6_000_000_000
GB = 1_000_000_000


def test_stage_0_is_torch() -> None:
    assert zero_state(P, 2, Zero(0, 6)) == torch_state(P)


def test_stages_divide_more_and_more() -> None:
    # Stage 1 in bfloat16 keeps all float32 sums and each weight's gradient; 2 has two buckets while it learns; 3 keeps
    # sums and a bucket, and copies that to send it.
    assert zero_state(P, 2, Zero(1, 6)) == Held(12 * GB, standing=(24 + 12) * GB, optimizer=12 * GB)
    assert zero_state(P, 4, Zero(1, 6)) == Held(24 * GB, gradients=(24 + 2) * GB, optimizer=12 * GB)
    assert zero_state(P, 2, Zero(2, 6)) == Held(12 * GB, gradients=(4 + 2) * GB, optimizer=12 * GB)
    assert zero_state(P, 2, Zero(3, 6)) == Held(2 * GB, GB, (4 + 1) * GB, 12 * GB, gathered=2 * GB)


def test_what_is_offloaded_waits_on_the_host() -> None:
    held = zero_state(P, 2, Zero(3, 6, "all"))
    assert held == Held(gradients=GB, standing=GB, host=(2 + 4 + 12) * GB, gathered=2 * GB)
    assert zero_state(P, 2, Zero(2, 6, "optimizer")).host == (4 + 12) * GB


def test_frozen_weights_are_divided_under_stage_3_alone() -> None:
    assert divided_weights(P, 2, Zero(2, 6)) == Held(12_000_000_000)
    assert divided_weights(P, 2, Zero(3, 6)) == Held(2_000_000_000, gathered=2_000_000_000)


def test_a_small_model_is_never_more_than_whole() -> None:
    assert divided_weights(1_000, 2, Zero(3, 4)) == Held(500, gathered=2_000)


def test_of_several_models_one_is_gathered_at_a_time() -> None:
    both = divided_weights(P, 2, Zero(3, 6)) + divided_weights(P, 2, Zero(3, 6))
    assert both.at_work.weights == 4 * GB + 2 * GB and both.at_rest.weights == 4 * GB


def test_the_papers_layout_between_steps() -> None:
    """Six GPUs, 7B: policy and discriminator with engines, and a reference."""
    policy, disc = zero_state(8_292_000_000, 2, Zero(3, 6)), zero_state(7_070_000_000, 2, Zero(3, 6))
    reference = divided_weights(8_292_000_000, 2, Zero(3, 6))
    assert (policy.idle + disc.idle + reference).at_rest.total / 1e9 == pytest.approx(51, abs=0.5)


def test_a_checkpoint_has_one_tensor_whole_at_a_time() -> None:
    held = zero_state(P, 2, Zero(3, 6))
    assert saving_phase(held, 10**9, Zero(3, 6)).total == held.at_rest.total + 4 * GB
    assert saving_phase(torch_state(P), 10**9, None) == torch_state(P).at_rest


@pytest.mark.parametrize(
    ("zero", "device", "expected"),
    [
        # 1,000 parameters of 2 bytes, 200 in the largest tensor; two models
        (Zero(3, 4), "cuda", Phase(500 + 500 + 400, host=2_000)),
        (Zero(3, 4, "all"), "cuda", Phase(400, host=500 + 2_000)),
        (Zero(2, 4), "cuda", Phase(4_000, host=2_000)),
        (None, "cuda", Phase(4_000, host=2_000)),
        (Zero(3, 4), "cpu", Phase(500 + 2_000 + 400)),
        (None, "cpu", Phase(4_000)),
    ],
)
def test_models_are_read_one_after_another(zero: Zero | None, device: Device, expected: Phase) -> None:
    assert loading_phase([(ANATOMY, 2)] * 2, zero, device) == expected


def test_who_waits_for_its_turn_is_read_into_host_memory() -> None:
    assert loading_phase([(ANATOMY, 4), (ANATOMY, 4), (ANATOMY, 2)], None, "cuda", waiting=(1,)) == Phase(
        6_000, host=4_000 + 2_000
    )
