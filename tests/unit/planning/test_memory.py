"""The arithmetic by hand, for a model whose numbers can be checked on paper."""

from dataclasses import replace

import pytest

from rilctl.config.fields import LoraConfig
from rilctl.models.loaded.anatomy import Anatomy, Tower
from rilctl.planning.activations import Batch, Precision, cache_per_token, kept_per_patch, kept_per_token
from rilctl.planning.memory import (
    Held,
    cached_tokens,
    decoding_phase,
    logits_bytes,
    pool_phase,
    torch_state,
    update_phase,
)

TOWER = Tower(hidden=10, layers=3, query_width=8, key_width=4, intermediate=20, gated=True)
ANATOMY = Anatomy(
    parameters=1_000,
    embedding=200,
    head=200,
    tied=True,
    vision=0,
    vocabulary=20,
    language=TOWER,
    tower=None,
    patches_per_token=4,
    patch_values=0,
    adapter_widths={"q_proj": 3 * 18, "k_proj": 3 * 14},
)
FLOAT32 = Precision(weights=4, products=4)
AUTOCAST = Precision(weights=4, products=2)
BATCH = Batch(prompts=2, prompt_tokens=5, rows=4, row_tokens=3, patches=0)


def test_an_adapter_has_rank_times_inputs_and_outputs() -> None:
    assert ANATOMY.adapter_parameters(LoraConfig(rank=2, targets=("q_proj", "k_proj"))) == 2 * (54 + 42)
    assert ANATOMY.adapter_parameters(LoraConfig(rank=2, targets=("q_proj",))) == 108


def test_a_layer_keeps_norms_inputs_and_attention() -> None:
    # two norms, before and after; inputs of q, k, v and of gate, up; of o; of down; attention; gate, up and silu
    assert kept_per_token(TOWER, FLOAT32) == 4 * (4 * 10 + 2 * 10 + 8 + 20 + 2 * (8 + 4) + 3 * 20)
    # under autocast norms stay float32, and each of q, k, v, gate and up gets a copy of its own
    assert kept_per_token(TOWER, AUTOCAST) == 4 * 4 * 10 + 2 * (5 * 10 + 8 + 20 + 2 * (8 + 4) + 3 * 20)


def test_a_frozen_vision_tower_keeps_nothing() -> None:
    assert kept_per_patch(TOWER, replace(FLOAT32, trains="adapter", rank=2)) == 0
    assert kept_per_patch(TOWER, FLOAT32) > 0


def test_keys_and_values_of_a_token() -> None:
    assert cache_per_token(ANATOMY, AUTOCAST) == 2 * 3 * 4 * 2
    phase = decoding_phase(ANATOMY, Held(weights=4_000), BATCH, AUTOCAST)
    assert phase.cache == (2 * 5 + 4 * 3) * 48  # each prompt once, each row's own tokens


def test_torch_holds_weights_and_two_moments() -> None:
    assert torch_state(100, frozen=1_000, frozen_bytes=2) == Held(weights=2_400, gradients=400, optimizer=800)


def test_an_engine_with_a_pool_has_keys_and_values_beside_its_weights() -> None:
    phase = pool_phase(ANATOMY, Held(weights=500), 2, 5_000)
    assert (phase.weights, phase.cache, phase.total) == (500 + 2_000, 3_000, 5_500)
    assert cached_tokens(ANATOMY, phase.cache, 2) == 3_000 // 48
    shared = pool_phase(ANATOMY, Held(), 2, 5_000, num_gpus=2)
    assert (shared.weights, shared.cache) == (1_000, 4_000)
    assert cached_tokens(ANATOMY, shared.cache, 2, num_gpus=2) == 8_000 // 48
    assert pool_phase(ANATOMY, Held(), 2, 1_000).cache == 0  # its weights alone don't fit


def test_logits_never_exceed_a_chunk() -> None:
    assert logits_bytes(ANATOMY, 10, FLOAT32, "cpu") == 10 * 20 * 8
    assert logits_bytes(ANATOMY, 10**9, FLOAT32, "cpu") == 2**24 * 8
    assert logits_bytes(ANATOMY, 10, AUTOCAST, "cpu") == 10 * 20 * 12 + 200 * 2  # and the head in bfloat16


@pytest.mark.parametrize("num", [1, 2])
def test_gradients_stay_beside_the_activations_of_a_later_micro_batch(num: int) -> None:
    held = torch_state(1_000)
    phase = update_phase(
        ANATOMY,
        replace(held, gradients=0),
        held,
        BATCH,
        FLOAT32,
        "shared",
        num_micro_batches=num,
        logits=0,
    )
    assert phase.activations > 4_000
    assert phase.gradients == (4_000 if num == 2 else 0)
    assert (phase.weights, phase.optimizer) == (4_000, 8_000)


def test_what_recomputes_keeps_one_layer() -> None:
    def activations(precision: Precision) -> int:
        held = torch_state(0)
        return update_phase(ANATOMY, held, held, BATCH, precision, "packed", num_micro_batches=2, logits=0).activations

    saved = activations(FLOAT32) - activations(replace(FLOAT32, recomputes=True))
    tokens = 2 * 5 + 4 * 3
    assert saved == tokens * (2 * kept_per_token(TOWER, FLOAT32) - 3 * 10 * 4)
