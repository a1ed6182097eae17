"""Prompts that stay computed from the rollouts to the update."""

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.testing.ragged import FAMILIES, gradients, ragged_groups, with_random_adapter

SAMPLING = SamplingConfig(max_new_tokens=4)


def kept_prefix(vlm: Vlm, budget_tokens: int = 10**6) -> KeptPrefix:
    return KeptPrefix(vlm, budget_tokens=budget_tokens, num_rows=3, response_tokens=8)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_update_from_kept_prompts_is_the_same(family, lora, load):
    vlm = load(family)
    if lora:
        vlm = with_random_adapter(vlm)
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    anew = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)[0]
    anew_grad, kept = gradients(vlm, anew), kept_prefix(vlm)
    with kept.expecting(3):
        rows = sample(vlm, prompts, [(1, 2)] * 3, SAMPLING, kept=kept)
    assert rows == sample(vlm, prompts, [(1, 2)] * 3, SAMPLING)
    towers = []
    for name, module in vlm.model.named_modules():
        if name in ("model.visual", "model.vision_tower"):
            module.register_forward_hook(lambda *_: towers.append("ran"))
    prefix = kept.take(prompts)
    assert prefix is not None
    again = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR, prefix=prefix)[0]
    assert again.equal(anew)  # so that a run which was killed in between goes on as if it had not been
    assert gradients(vlm, again).equal(anew_grad)
    assert not towers


@pytest.mark.parametrize(
    ("num_expected", "budget", "taken"),
    [
        pytest.param(3, 10**6, [0, 1, 2], id="kept"),
        pytest.param(4, 10**6, [0, 1, 2], id="part-of-a-step"),
        pytest.param(3, 100, [0, 1, 2], id="several-micro-batches"),
        pytest.param(3, 10**6, [0, 1], id="a-question-is-gone"),
        pytest.param(3, 10**6, [1, 0, 2], id="another-order"),
    ],
)
def test_only_a_whole_step_that_is_one_micro_batch_is_kept(num_expected, budget, taken, load):
    vlm = load("text")
    prompts, kept = ragged_groups(vlm)[0], kept_prefix(vlm, budget)
    with kept.expecting(num_expected):
        kept.compute(prompts)
    found = kept.take([prompts[index] for index in taken])
    assert (found is not None) == (num_expected == 3 and budget > 100 and taken == [0, 1, 2])


def test_what_is_kept_is_taken_once_and_only_from_rollouts(load):
    vlm = load("text")
    prompts, kept = ragged_groups(vlm)[0], kept_prefix(vlm)
    kept.compute(prompts)  # as a validation does
    assert kept.take(prompts) is None
    with kept.expecting(3):
        kept.compute(prompts)
    assert kept.take(prompts) is not None
    assert kept.take(prompts) is None


def test_nothing_is_taken_once_the_weights_have_changed(load):
    vlm = load("text")
    prompts, kept = ragged_groups(vlm)[0], kept_prefix(vlm)
    with kept.expecting(3):
        kept.compute(prompts)
    with torch.no_grad():
        next(iter(vlm.model.parameters())).add_(0.0)
    assert kept.take(prompts) is None
